from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.range_feeds import MOST_INPUTS, channel_ranges, pair_feeds, sample
from export.smoothing import LARGEST_CHANNEL, smooth, smoothing_factors
from tests.export.hand_made_graph import OUTLIER, logits, perceptron, random_pairs

values = arrays(np.float32, 9, elements=st.sampled_from([0.0, 0.25, 1.0, 3.0, 100.0]))


@given(values, values)
def test_no_channel_is_left_far_above_the_others_and_none_is_raised(below: np.ndarray, above: np.ndarray) -> None:
    factors = smoothing_factors(-below, above)
    reach = np.maximum(below, above)
    assert (factors >= 1).all()
    if np.median(reach):
        assert (reach / factors <= LARGEST_CHANNEL * np.median(reach) * 1.001).all()
    else:
        assert (factors == 1).all()


def test_smoothing_changes_nothing_in_fp32() -> None:
    graph, pairs = perceptron(), random_pairs(30)
    before = logits(graph, pairs)
    smooth(graph, {"up", "down"}, pair_feeds(pairs))
    np.testing.assert_allclose(logits(graph, pairs), before, rtol=1e-5, atol=1e-4)


def test_the_outlier_is_level_with_the_others_where_the_product_reads_it() -> None:
    graph, pairs = perceptron(), random_pairs(30)
    (low, high) = channel_ranges(graph, ["embedded"], pair_feeds(pairs))["embedded"]
    assert max(-low[OUTLIER], high[OUTLIER]) > 10 * np.median(np.maximum(-low, high))
    smooth(graph, {"up"}, pair_feeds(pairs))
    (product,) = [node for node in graph.graph.node if node.name == "up"]
    (low, high) = channel_ranges(graph, [product.input[0]], pair_feeds(pairs))[product.input[0]]
    reach = np.maximum(-low, high)
    assert reach.max() <= LARGEST_CHANNEL * np.median(reach) * 1.5


def test_only_the_named_products_are_touched() -> None:
    graph = perceptron()
    smooth(graph, {"up"}, pair_feeds(random_pairs(5)))
    assert [node.op_type for node in graph.graph.node].count("Mul") == 1


def test_a_graph_without_such_products_stays_as_it_is() -> None:
    graph = perceptron()
    smooth(graph, set(), pair_feeds(random_pairs(5)))
    assert graph == perceptron()


@pytest.mark.parametrize("count", [1, MOST_INPUTS, MOST_INPUTS + 1, 10 * MOST_INPUTS])
def test_the_sample_is_spread_over_all_pairs(count: int) -> None:
    chosen = sample(random_pairs(2) * (count // 2) + random_pairs(count % 2))
    assert 1 <= len(chosen) <= MOST_INPUTS
    assert len(chosen) >= min(count, MOST_INPUTS // 2)
