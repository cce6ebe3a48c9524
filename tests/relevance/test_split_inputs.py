from __future__ import annotations

import numpy as np

from relevance.product_record import ProductRecord
from relevance.split_graphs import NO_PRODUCT_TOKEN
from relevance.split_inputs import joint_inputs, query_ids, records_of

WIDTH = 4
QUERY = query_ids([101, 7, 8, 102])


def record(*ids: int) -> ProductRecord:
    latents = np.arange(len(ids) * WIDTH, dtype=np.int8).reshape(1, len(ids), WIDTH) + 1
    return records_of([ids], latents, [False])[0]


def test_a_lone_product_is_run_twice_so_that_its_row_is_never_the_only_one() -> None:
    alone, twice = (joint_inputs({}, QUERY, [record(101, 5, 102)] * count) for count in (1, 2))
    assert alone.keys() == twice.keys()
    for name in alone:
        np.testing.assert_array_equal(alone[name], twice[name])


def test_shorter_products_are_padded_with_what_matches_nothing() -> None:
    feed = joint_inputs({}, QUERY, [record(101, 5, 102), record(101, 5, 6, 7, 102)])
    np.testing.assert_array_equal(feed["product_lengths"], [3, 5])
    assert feed["product_latents"].shape == (2, 5, WIDTH)
    assert not feed["product_latents"][0, 3:].any()
    gap = NO_PRODUCT_TOKEN
    np.testing.assert_array_equal(feed["product_ids"], [[gap, 5, gap, gap, gap], [gap, 5, 6, 7, gap]])
