"""What can go wrong in a training run, as errors that say which file, row or setting to mend.

TrainingError
├── DataError           a dataset's file or row cannot be used
├── ConfigError         a setting cannot work
├── RunDirectoryError   a run directory belongs to another configuration, or is damaged
├── DivergenceError     a loss stopped being a finite number
├── ProcessError        one of several training processes can not go on
└── LabellingError      the workers that label the pool died too often
"""

from __future__ import annotations


class TrainingError(Exception):
    """Any failure that the person running the training can act on."""


class DataError(TrainingError):
    """A dataset's file or row cannot be used; the message names file and line."""


class ConfigError(TrainingError):
    """A setting cannot work; the message names it."""


class RunDirectoryError(TrainingError):
    """A run directory was made with other settings, or one of its files is damaged."""


class DivergenceError(TrainingError):
    """The loss of a batch, or its gradient, is not a finite number; the message names the batch.

    `found` is the message without what to do now, which who began the training knows better.
    """

    def __init__(self, found: str, advice: str = "") -> None:
        super().__init__(f"{found} {advice}".strip())
        self.found = found


class ProcessError(TrainingError):
    """One of the processes that train together can not go on with the others."""


class LabellingError(TrainingError):
    """Workers that label the pool died more often than they are started again."""
