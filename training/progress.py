"""Progress of a run's stages. Of several processes, only the main one shows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from export.progress import Report, counting, reporting
from training.optimise.distributed import is_main

LOSSES_AVERAGED = 50


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """`export.progress.progress_bar`, of the main process."""
    with _report(title) as report:
        yield counting(report, total)


@contextmanager
def training_bar(title: str) -> Iterator[Callable[[int, int, float], None]]:
    """Progress over training steps with a moving average of the loss; what it yields is a `StepObserver`."""
    losses: deque[float] = deque(maxlen=LOSSES_AVERAGED)

    with _report(title) as report:

        def observe(step: int, steps: int, loss: float) -> None:
            losses.append(loss)
            report(step, steps, f"loss {sum(losses) / len(losses):.4f}")

        yield observe


@contextmanager
def _report(title: str) -> Iterator[Report]:
    if not is_main():
        yield lambda done, total, note: None
        return
    with reporting(title) as report:
        yield report
