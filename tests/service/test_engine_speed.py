from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from service.backend import BatchRun
from service.engine_speed import EngineSpeed


def run_of(tokens: int, seconds: float) -> BatchRun:
    return BatchRun(np.zeros(1, dtype=np.float32), 0.0, seconds, tokens, tokens)


def test_the_first_guess_is_for_one_of_several() -> None:
    assert EngineSpeed(3, 100.0).tokens_per_second == 300.0


def test_the_speed_follows_the_batches() -> None:
    speed = EngineSpeed(2, 0.001)
    for _ in range(200):
        speed.batch_done(run_of(tokens=600, seconds=0.1))
    assert speed.tokens_per_second == pytest.approx(12_000, rel=1e-3)


def test_a_batch_on_the_cores_of_others_says_nothing_of_one() -> None:
    speed = EngineSpeed(32, 100.0)
    for _ in range(200):
        speed.batch_done(replace(run_of(tokens=600, seconds=0.1), lone=True))
    assert speed.tokens_per_second == 3_200.0


def test_a_batch_that_took_no_time_teaches_nothing() -> None:
    speed = EngineSpeed(1, 5.0)
    speed.batch_done(run_of(tokens=600, seconds=0.0))
    assert speed.tokens_per_second == 5.0


def test_many_small_batches_do_not_make_the_engine_look_slow() -> None:
    speed = EngineSpeed(1, 4000.0)
    for _ in range(100):
        speed.batch_done(run_of(tokens=5, seconds=0.003))
    # A few tenths of a second at 1,667 tokens/s, whatever the number of batches.
    assert speed.tokens_per_second > 3500
