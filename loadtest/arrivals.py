"""When requests arrive in an open loop: at times of their own, whatever the service does. Pure.

Times are ascending seconds from the start, in [0, `seconds`). A rate is in arrivals per second; one that is not
positive is a ValueError, except where it says otherwise.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Sequence
from itertools import accumulate

Times = tuple[float, ...]


def poisson_arrivals(rate: float, seconds: float, seed: int) -> Times:
    """A Poisson process of `rate`. Equal arguments give equal times."""
    _check_rate(rate)
    rng = random.Random(seed)
    times: list[float] = []
    while (time := (times[-1] if times else 0.0) + rng.expovariate(rate)) < seconds:
        times.append(time)
    return tuple(times)


def constant_arrivals(rate: float, seconds: float) -> Times:
    """Every 1 / `rate` seconds, the first at 0."""
    _check_rate(rate)
    # Products of whole numbers: a sum of gaps would drift.
    times = (number / rate for number in range(math.ceil(rate * seconds) + 1))
    return tuple(time for time in times if time < seconds)


def step_arrivals(steps: Sequence[tuple[float, float]], seed: int) -> Times:
    """Poisson arrivals at one (rate, seconds) after another; a rate of 0 is a pause."""
    starts = accumulate((seconds for _, seconds in steps), initial=0.0)
    return tuple(
        start + time
        for number, ((rate, seconds), start) in enumerate(zip(steps, starts, strict=False))
        if rate != 0
        for time in poisson_arrivals(rate, seconds, seed + number)
        # A sum of two floats may round up to the next step's start.
        if start + time < start + seconds
    )


def ramp_arrivals(rates: tuple[float, float], seconds: float, seed: int) -> Times:
    """Poisson arrivals at a rate that goes evenly from the first of `rates` to the second; one of them may be 0."""
    first, last = rates
    if min(rates) < 0 or max(rates) <= 0:
        raise ValueError(f"a ramp needs rates of 0 or more and one above it, got {first:g} and {last:g}")
    highest = max(rates)
    rng = random.Random(f"{seed} kept")
    # Thinning: of a process at the highest rate, each arrival is kept with the share that its time asks for.
    every = poisson_arrivals(highest, seconds, seed)
    return tuple(time for time in every if rng.random() * highest < first + (last - first) * time / seconds)


def burst_arrivals(rate: float, burst: tuple[int, float], seconds: float, seed: int) -> Times:
    """Poisson arrivals at `rate`, and `burst` = (size, every): that many more at once, `every` seconds.

    The first burst comes after one such span; a `rate` of 0 leaves the bursts alone.
    """
    size, every = burst
    if size < 1 or every <= 0:
        raise ValueError(f"a burst needs a positive size and span, got {size} every {every:g} s")
    bursts = (every * number for number in range(1, math.ceil(seconds / every) + 1))
    between = poisson_arrivals(rate, seconds, seed) if rate != 0 else ()
    return tuple(sorted([*between, *(time for time in bursts if time < seconds for _ in range(size))]))


def replayed_arrivals(times: Sequence[float], speed: float, seconds: float) -> Times:
    """A log's times from its first on, `speed` times as fast, up to `seconds`. Times that descend are a ValueError."""
    _check_rate(speed, "speed")
    if late := next((index for index in range(1, len(times)) if times[index] < times[index - 1]), None):
        raise ValueError(f"time {times[late]:g} s comes after {times[late - 1]:g} s")
    moved = [(time - times[0]) / speed for time in times]
    return tuple(moved[: bisect.bisect_left(moved, seconds)])


def _check_rate(rate: float, name: str = "rate") -> None:
    if not rate > 0:
        raise ValueError(f"the {name} must be positive, got {rate}")
