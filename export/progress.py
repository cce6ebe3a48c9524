"""Progress of long work on stderr: a bar in a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SECONDS_BETWEEN_LINES = 30.0

Report = Callable[[int, int, str], None]
"""Told (done, total, note)."""


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Progress over `total` items; call what it yields with the number of items just done.

    The first call sets the clock: resumed work tells in it what was there before, and only the rest is speed.
    """
    with reporting(title) as report:
        yield counting(report, total)


def counting(report: Report, total: int) -> Callable[[int], None]:
    """Turns numbers of items just done into reports of how many are done."""
    done = 0

    def advance(items: int) -> None:
        nonlocal done
        done += items
        report(done, total, "")

    return advance


class ProgressLines:
    """Writes one line each SECONDS_BETWEEN_LINES of the clock, and one when all is done."""

    def __init__(self, title: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._title, self._stream, self._clock = title, stream, clock
        self._started = self._written = clock()
        self._first: int | None = None

    def report(self, done: int, total: int, note: str) -> None:
        """Tell where the work is; the rate is that since the first call, whatever had been done by then."""
        now = self._clock()
        if self._first is None:
            self._first, self._started = done, now
        if done < total and now - self._written < SECONDS_BETWEEN_LINES:
            return
        self._written = now
        rate = (done - self._first) / max(now - self._started, 1e-9)
        # What was done in one go has no speed.
        speed = [f"{rate:.1f}/s", f"{(total - done) / rate:.0f} s left"] if rate else []
        line = ", ".join([f"{done}/{total}", *speed, *filter(None, [note])])
        print(f"{self._title}: {line}", file=self._stream, flush=True)


class SpeedColumn(ProgressColumn):
    """Items a second, as a bar in a terminal shows them. Like the time left, it counts from the first report."""

    def render(self, task: Task) -> Text:
        """The speed of `task`, once there is one."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def reporting(title: str) -> Iterator[Report]:
    """Yields what shows a report under that title."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield ProgressLines(title, sys.stderr).report
        return
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    speed = (SpeedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, *speed, console=console) as bars:
        task = bars.add_task(title, total=None, note="")
        yield lambda done, total, note: bars.update(task, completed=done, total=total, note=note)
