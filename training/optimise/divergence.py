"""What to say when training stops being finite: which batch, what is in it, what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from training.errors import DivergenceError
from training.optimise.batches import Batch

QUERIES_NAMED = 8
ADVICE = (
    "The last checkpoint stays as it is; but going on from it with the same settings ends here again, and a run "
    "directory keeps its settings: start a new run with another --run-dir"
)
"""For a run of its own."""


@runtime_checkable
class Describes(Protocol):
    """A batch source that can tell what is in a step's batch."""

    def describe(self, step: int, /) -> str:
        """The epoch and the queries, in a few words."""
        ...


def check_finite(values: tuple[float, float], batch: Batch, place: tuple[int, int], source: object) -> None:
    """DivergenceError if the loss or the gradient norm of batch `place` = (step, steps) of `source` is not finite."""
    for name, value in zip(("loss", "gradient norm"), values, strict=True):
        if not math.isfinite(value):
            step, steps = place
            content = f" ({source.describe(step)})" if isinstance(source, Describes) else ""
            found = (
                f"the {name} of batch {step} of {steps} is {value}{content}. {_cause(batch)}. No step was taken on it."
            )
            raise DivergenceError(found, ADVICE)


def name_queries(texts: Iterable[str]) -> str:
    """The first QUERIES_NAMED distinct queries, and how many more there are."""
    distinct = list(dict.fromkeys(texts))
    named = ", ".join(map(repr, distinct[:QUERIES_NAMED]))
    more = len(distinct) - QUERIES_NAMED
    return f"queries {named} and {more} more" if more > 0 else f"queries {named}"


def _cause(batch: Batch) -> str:
    if not batch.targets.isfinite().all():
        return "A target in it is not finite: mend the judgements or label the pool again"
    return "Its targets are finite: lower this stage's learning_rate"
