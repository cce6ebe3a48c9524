from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relevance.pair_encoding import EncodedPair
from training.optimise.batches import PairGroup, collate, plan_epoch

shapes = st.lists(st.tuples(st.integers(4, 60), st.integers(1, 20)), min_size=1, max_size=200)


@given(shapes, st.integers(1, 64), st.integers(0, 5))
def test_every_group_comes_once_and_batches_keep_their_size(
    groups: list[tuple[int, int]], pairs_per_batch: int, seed: int
) -> None:
    lengths, sizes = [length for length, _ in groups], [size for _, size in groups]
    batches = plan_epoch(lengths, sizes, pairs_per_batch, seed)
    assert sorted(index for batch in batches for index in batch) == list(range(len(groups)))
    # Only a group that is larger than a batch by itself may pass the limit.
    assert all(len(batch) == 1 or sum(sizes[i] for i in batch) <= pairs_per_batch for batch in batches)


def test_the_seed_alone_decides_the_order() -> None:
    lengths, sizes = list(range(10, 110)), [4] * 100
    first, again, other = ([batch.tolist() for batch in plan_epoch(lengths, sizes, 16, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_plan_costs_the_same_few_bytes_for_every_group() -> None:
    per_group = []
    for groups in (20_000, 200_000):
        lengths = np.random.default_rng(0).integers(8, 64, size=groups)
        tracemalloc.start()
        plan = plan_epoch(lengths, np.full(groups, 16), 64, 0)
        per_group.append(tracemalloc.get_traced_memory()[0] / groups)
        tracemalloc.stop()
        assert sum(map(len, plan)) == groups
    # A Python list of batches takes over 30 bytes for each group.
    assert max(per_group) < 12


def test_bucketing_saves_most_of_the_padding() -> None:
    lengths = np.random.default_rng(0).integers(8, 64, size=4000).tolist()
    batches = plan_epoch(lengths, [1] * 4000, 32, 0)
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    assert padded <= 1.1 * sum(lengths)


def test_collate_numbers_the_queries_of_a_batch() -> None:
    pair = EncodedPair((2, 5, 3, 6, 3), (0, 0, 0, 1, 1))
    groups = [PairGroup([pair, pair], np.array([0.1, 0.2], np.float32)), PairGroup([pair], np.array([0.3], np.float32))]
    batch = collate(groups, pad_id=0, judged=True)
    assert batch.group.tolist() == [0, 0, 1]
    np.testing.assert_allclose(batch.targets, [0.1, 0.2, 0.3], rtol=1e-6)
    assert batch.input_ids.shape == (3, 5)
    assert batch.judged
