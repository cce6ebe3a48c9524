from __future__ import annotations

import threading

import pytest

from training.batches import Batch
from training.prefetch import Prefetched

from .tiny import random_batches


class Watched:
    """Tells when each batch is made; batch `broken` can not be made."""

    def __init__(self, batches: list[Batch], broken: int | None = None) -> None:
        self._batches, self._broken = batches, broken
        self.made = [threading.Event() for _ in batches]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, step: int) -> Batch:
        self.made[step].set()
        if step == self._broken:
            raise ValueError(f"batch {step}")
        return self._batches[step]


def test_the_batches_are_the_sources_own_from_whatever_step_on() -> None:
    batches = random_batches(5)
    with Prefetched(Watched(batches)) as source:
        assert len(source) == 5
        # A resumed run begins in the middle; a reader may also go back.
        for step in (2, 3, 4, 0, 1, 1):
            assert source[step] is batches[step]


def test_the_next_batch_is_made_before_it_is_asked_for_and_no_further_one() -> None:
    watched = Watched(random_batches(3))
    with Prefetched(watched) as source:
        source[0]
        assert watched.made[1].wait(timeout=30)
        assert not watched.made[2].is_set()


def test_what_goes_wrong_is_told_at_its_own_step() -> None:
    watched = Watched(random_batches(3), broken=1)
    with Prefetched(watched) as source:
        source[0]
        assert watched.made[1].wait(timeout=30)
        with pytest.raises(ValueError, match="batch 1"):
            source[1]


def test_the_thread_ends_with_the_context() -> None:
    with Prefetched(Watched(random_batches(2))) as source:
        source[0]
        assert any(thread.name.startswith("next-batch") for thread in threading.enumerate())
    assert not any(thread.name.startswith("next-batch") for thread in threading.enumerate())
