"""When requests arrive in an open loop: at times of their own, whatever the service does. Pure."""

from __future__ import annotations

import random


def poisson_arrivals(rate: float, seconds: float, seed: int) -> tuple[float, ...]:
    """Ascending times (s) in [0, `seconds`) of a Poisson process of `rate` arrivals per second.

    Equal arguments give equal times. A rate that is not positive is a ValueError.
    """
    if rate <= 0:
        raise ValueError(f"the rate must be positive, got {rate}")
    rng = random.Random(seed)
    times: list[float] = []
    while (time := (times[-1] if times else 0.0) + rng.expovariate(rate)) < seconds:
        times.append(time)
    return tuple(times)
