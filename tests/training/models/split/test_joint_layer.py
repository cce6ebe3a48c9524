from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel

from training.models.split.joint_layer import JointLayer, MatchConstants, ProductSide, QueryConstants, padding, per_head

HIDDEN, HEADS, WIDTH = 16, 4, 6
QUERY_LENGTHS, PRODUCT_LENGTHS = (5, 3), (4, 7)


def layer(width: int = WIDTH) -> JointLayer:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30, hidden_size=HIDDEN, num_attention_heads=HEADS, num_hidden_layers=1, intermediate_size=24,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.4,
    )  # fmt: skip
    made = JointLayer(BertModel(config).encoder.layer[0], width)
    for part in (made.product_key, made.product_value, made.query, made.key, made.value):
        torch.nn.init.normal_(part.bias)
    return made.double()


def mask_of(lengths: tuple[int, ...]) -> Tensor:
    return (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).double()


def plain(joint: JointLayer, states: Tensor, mask: Tensor, latents: Tensor, product_mask: Tensor) -> Tensor:
    """Textbook attention of all query tokens over query and product, with keys and values made; (n, Lq, H)."""
    keys = torch.cat([joint.key(states), joint.product_key(latents)], 1)
    values = torch.cat([joint.value(states), joint.product_value(latents)], 1)
    heads = [part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (joint.query(states), keys, values)]
    scores = heads[0] @ heads[1].transpose(-1, -2) / math.sqrt(HIDDEN // HEADS)
    allowed = torch.cat([mask, product_mask], 1)[:, None, None, :].bool()
    mixed = scores.masked_fill(~allowed, -torch.inf).softmax(-1) @ heads[2]
    attended = joint.attention_output(mixed.transpose(1, 2).flatten(2), states)
    finished: Tensor = joint.output(joint.intermediate(attended), attended)
    return finished


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask, product_mask = mask_of(QUERY_LENGTHS), mask_of(PRODUCT_LENGTHS)
    hidden = torch.randn(2, mask.shape[1], HIDDEN, generator=generator, dtype=torch.double)
    latents = normalize(torch.randn(2, product_mask.shape[1], WIDTH, generator=generator, dtype=torch.double), dim=-1)
    matches = torch.tensor([[0, 1, 0, 1, 0], [0, 1, 0, 0, 0]], dtype=torch.double)
    vector = torch.randn(HIDDEN, generator=generator, dtype=torch.double)
    return hidden, mask, latents, product_mask, matches, vector


def product_side(constants: QueryConstants, match: MatchConstants, latents: Tensor, mask: Tensor) -> ProductSide:
    turned = latents.transpose(1, 2)
    return ProductSide(latents, padding(mask, torch.double), constants.reach @ turned, match.reach @ turned)


@pytest.mark.parametrize("rows", [1, 5])
def test_the_first_layer_is_attention_over_query_and_product(rows: int) -> None:
    joint = layer()
    hidden, mask, latents, product_mask, matches, vector = inputs()
    match = joint.match_constants(vector)
    constants = joint.query_constants(hidden, mask, rows, match)
    found = joint.first(constants, match, matches, product_side(constants, match, latents, product_mask))
    expected = plain(joint, hidden + matches[..., None] * vector, mask, latents, product_mask)
    assert found.shape == (2, rows, HIDDEN)
    for pair, length in enumerate(QUERY_LENGTHS):
        kept = min(rows, length)
        torch.testing.assert_close(found[pair, :kept].double(), expected[pair, :kept], atol=1e-5, rtol=1e-5)


def test_cls_alone_attends_as_one_of_several_rows_that_is_not_matched() -> None:
    joint = layer()
    hidden, mask, latents, product_mask, matches, vector = inputs()
    match = joint.match_constants(vector)
    constants = joint.query_constants(hidden, mask, 1, match)
    whole = product_side(constants, match, latents, product_mask)
    alone = joint.first(constants._replace(own_row_matched=None), match, matches, whole._replace(added=None))
    assert not matches[:, 0].any()
    torch.testing.assert_close(alone, joint.first(constants, match, matches, whole))


@pytest.mark.parametrize("rows", [1, 5])
def test_a_later_layer_is_attention_over_query_and_product(rows: int) -> None:
    joint = layer()
    hidden, mask, latents, product_mask, _, vector = inputs()
    match = joint.match_constants(vector)
    constants = joint.query_constants(hidden, mask, rows, match)
    found = joint(hidden, mask, rows, product_side(constants, match, latents, product_mask))
    expected = plain(joint, hidden, mask, latents, product_mask)
    for pair, length in enumerate(QUERY_LENGTHS):
        kept = min(rows, length)
        torch.testing.assert_close(found[pair, :kept].double(), expected[pair, :kept], atol=1e-5, rtol=1e-5)


def test_terms_of_one_query_serve_all_of_its_pairs() -> None:
    joint = layer()
    hidden, mask, latents, product_mask, matches, vector = inputs()
    match = joint.match_constants(vector)
    for_each = joint.query_constants(hidden[:1].repeat(2, 1, 1), mask[:1].repeat(2, 1), 5, match)
    once = type(for_each)(*(part[0] for part in joint.query_constants(hidden[:1], mask[:1], 5, match)))
    apart, together = (
        joint.first(constants, match, matches, product_side(constants, match, latents, product_mask))
        for constants in (for_each, once)
    )
    torch.testing.assert_close(apart, together)


def test_latents_are_read_as_the_hidden_states_that_they_stand_for() -> None:
    joint = layer(width=HIDDEN)
    rotation = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN, dtype=torch.double))[0]
    states = torch.randn(2, 3, HIDDEN, dtype=torch.double)
    joint.read_latents_as(2.0 * rotation)
    torch.testing.assert_close(joint.product_key(states @ rotation.T / 2.0), joint.key(states))
    torch.testing.assert_close(joint.product_value(states @ rotation.T / 2.0), joint.value(states))


def test_per_head_products_are_the_same_for_shared_and_repeated_weights() -> None:
    states, weights = torch.randn(3, HEADS, 2, 5), torch.randn(HEADS, 5, 7)
    torch.testing.assert_close(per_head(states, weights), per_head(states, weights.expand(3, -1, -1, -1)))
    torch.testing.assert_close(per_head(states[:, :, :1], weights, alone=True), per_head(states, weights)[:, :, :1])


def test_a_narrow_layer_keeps_the_units_that_move_the_result_most() -> None:
    """Units that move nothing are left out first: the result stays as it was."""
    torch.manual_seed(3)
    config = BertConfig(hidden_size=HIDDEN, num_attention_heads=HEADS, num_hidden_layers=1, intermediate_size=24)
    bert = BertModel(config).encoder.layer[0]
    idle = torch.randperm(24)[:10]
    with torch.no_grad():
        bert.output.dense.weight[:, idle] = 0.0
    narrow, whole = (JointLayer(bert, WIDTH, units).eval() for units in (14, None))
    assert narrow.intermediate.dense.weight.shape == (14, HIDDEN)
    rows, mixed = torch.randn(3, 1, HIDDEN), torch.randn(3, HEADS, 1, HIDDEN // HEADS)
    torch.testing.assert_close(narrow._finish(rows, mixed, alone=True), whole._finish(rows, mixed, alone=False))
