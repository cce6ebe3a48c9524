"""A session for a micro-batch that runs alone: cores that would lie idle meanwhile take part in it.

Sessions of one thread give the most pairs a second when all are busy. One pair alone would then run on one core while
the others wait for work; a second, wider session of the same graph answers it sooner, and costs its weights' memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from service.autotune.tuning import Layout
from service.backend import Runner
from service.errors import BackendError
from service.pair import Pair

logger = logging.getLogger(__name__)

MOST_THREADS = 4
"""A pair's products are too small to be worth more."""
SPIN_MICROSECONDS = 30
"""Operators follow each other closely: putting threads to sleep in between takes longer than the pair. Between runs,
spinning threads would take the cores that tokenising and the event loop need."""
FASTER = 0.9
"""Of the time on the layout's own threads; less of a gain is not worth the memory."""
PROBES = 15


OpenWide = Callable[[int, int], Runner]
"""Opens a runner of so many threads, which spin for so many microseconds when there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Lone:
    """The runner of a micro-batch that runs alone, and its threads."""

    runner: Runner
    threads: int


def lone_of(own: Runner, layout: Layout, open_wide: OpenWide, length: int, wanted: int | None) -> Lone:
    """A wider session, or `own`, which has the layout's threads, where that is as good for a pair of `length` tokens.

    `wanted` threads are taken as they are; None: as many as the layout has in all, at most `MOST_THREADS`, if that is
    measured to be faster.
    """
    threads = wanted or min(MOST_THREADS, layout.sessions * layout.threads)
    if threads <= layout.threads:
        return Lone(own, layout.threads)
    wide = open_wide(threads, SPIN_MICROSECONDS)
    before, after = _medians((own, wide), own.samples(length, 1))
    taken = Lone(wide, threads)
    if not wanted and after > FASTER * before:
        wide.close()
        taken = Lone(own, layout.threads)
    fields = {
        "threads": taken.threads,
        f"ms_on_{layout.threads}": round(before, 3),
        f"ms_on_{threads}": round(after, 3),
    }
    logger.info("threads of a lone micro-batch chosen", extra={"fields": fields})
    return taken


def _medians(runners: tuple[Runner, Runner], pair: Sequence[Pair]) -> tuple[float, float]:
    """Milliseconds that each takes for the pair, in turn; BackendError if one fails."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(PROBES):
        for runner, took in zip(runners, times, strict=True):
            started = time.perf_counter()
            try:
                runner.run(pair)
            except Exception as error:
                raise BackendError(f"the model fails on one pair alone: {error}") from error
            took.append(1e3 * (time.perf_counter() - started))
    return median(times[0]), median(times[1])
