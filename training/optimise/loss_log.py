"""The loss of every training step in a file beside the stage's weights, for the report's curve."""

from __future__ import annotations

import json
from pathlib import Path

from training.errors import RunDirectoryError
from training.stage_files import text_of

LOSSES = "losses.jsonl"


class LossLog:
    """A `StepObserver` that appends one line a step: {"step", "steps", "loss"}.

    A resumed run goes back to its last checkpoint and logs the steps since then once more; the reader keeps
    the later line of a step. A line that a kill tore is cut off before the next one is written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            whole = path.read_bytes()
            with path.open("r+b") as old:
                old.truncate(whole.rfind(b"\n") + 1)
        self._path = path

    def __call__(self, step: int, steps: int, loss: float) -> None:
        """Append the step."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "steps": steps, "loss": loss}) + "\n")


def read_losses(path: Path) -> list[tuple[int, float]]:
    """(step from 1, loss) in order of the steps; RunDirectoryError names a line that is none."""
    losses: dict[int, float] = {}
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        try:
            row = json.loads(line)
            losses[int(row["step"])] = float(row["loss"])
        except (ValueError, KeyError, TypeError) as error:
            raise RunDirectoryError(f"{path}:{number} is no step of a training run; delete the file") from error
    return sorted(losses.items())
