"""Progress of long work for people: a bar with the time left, on stderr so that stdout stays clean."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOSSES_AVERAGED = 50


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar over `total` items; call what it yields with the number of items just done."""
    with _bars() as bars:
        task = bars.add_task(title, total=total, note="")
        yield lambda done: bars.advance(task, done)


@contextmanager
def training_bar(title: str) -> Iterator[Callable[[int, int, float], None]]:
    """A bar over training steps with a moving average of the loss; what it yields is a `StepObserver`."""
    losses: deque[float] = deque(maxlen=LOSSES_AVERAGED)
    with _bars() as bars:
        task = bars.add_task(title, total=None, note="")

        def observe(step: int, steps: int, loss: float) -> None:
            losses.append(loss)
            bars.update(task, total=steps, completed=step, note=f"loss {sum(losses) / len(losses):.4f}")

        yield observe


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    )
