from __future__ import annotations

import numpy as np

from relevance.product_record import ProductRecord
from relevance.split_graphs import NO_PRODUCT_TOKEN
from relevance.split_inputs import encoder_inputs, joint_inputs, query_ids, records_of

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


def test_rows_that_a_shape_leaves_over_repeat_the_last_product() -> None:
    given = [record(101, 5, 102), record(101, 6, 7, 102)]
    feed = joint_inputs({}, QUERY, given, (4, 8))
    assert feed["product_latents"].shape == (4, 8, WIDTH)
    np.testing.assert_array_equal(feed["product_lengths"], [3, 4, 4, 4])
    plain = joint_inputs({}, QUERY, given)
    for name in ("product_latents", "product_ids"):
        np.testing.assert_array_equal(feed[name][:2, :4], plain[name])
        np.testing.assert_array_equal(feed[name][2:], feed[name][[1, 1]])
    assert not feed["product_latents"][:, 4:].any()
    assert (feed["product_ids"][:, 4:] == NO_PRODUCT_TOKEN).all()


def test_texts_are_padded_to_a_shape_in_which_no_row_is_without_a_token() -> None:
    feed = encoder_inputs([[101, 5, 102]], 9, (3, 4))
    np.testing.assert_array_equal(feed["input_ids"], [[101, 5, 102, 9], [9] * 4, [9] * 4])
    np.testing.assert_array_equal(feed["attention_mask"], [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
