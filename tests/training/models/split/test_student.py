from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from relevance.pair_encoding import EncodedText, PairEncoder
from relevance.product import Product
from tests.training.tiny import tiny_pool
from training.config import STUDENT_TEMPLATE, SplitSettings, StudentSettings
from training.models.backbone import load_pair_encoder
from training.models.split.files import load_split, save_split
from training.models.split.joint_layer import QueryConstants
from training.models.split.start import initial_split, principal_directions
from training.models.split.student import Dots, Products, Queries, SplitStudent, late_interaction, take_apart
from training.optimise.batches import PairGroup, collate
from training.optimise.trainer import TrainingHooks
from training.student import StudentTask, train_student

PRODUCTS = [Product(title=title) for title in ("red shoe", "blue suede shoe with laces", "usb cable", "shoe")]
QUERIES = ("red shoe", "usb c cable")


def encoder_model(layers: int = 2) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522, hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False)


@pytest.fixture(scope="module")
def rule() -> PairEncoder:
    return load_pair_encoder(STUDENT_TEMPLATE)


def student_of(rule: PairEncoder, **settings: object) -> SplitStudent:
    shape = SplitSettings.model_validate({"latent_width": 16, "joint_layers": 2, **settings})
    student = initial_split(encoder_model(), shape, rule.encode_products(PRODUCTS), rule)
    torch.nn.init.normal_(student.match)
    student.train(False)
    return student


def texts(rule: PairEncoder) -> tuple[list[EncodedText], list[EncodedText]]:
    return rule.encode_queries(QUERIES), rule.encode_products(PRODUCTS)


def logits_of(student: SplitStudent, rule: PairEncoder, chosen: Sequence[tuple[int, int]]) -> torch.Tensor:
    queries, products = texts(rule)
    pairs = [rule.pair(queries[query], products[product]) for query, product in chosen]
    with torch.inference_mode():
        return student(collate([PairGroup(pairs, np.zeros(len(pairs), np.float32))], rule.pad_id))


def test_a_batch_is_taken_apart_into_distinct_sides_and_matches(rule: PairEncoder) -> None:
    queries, products = texts(rule)
    pairs = [rule.pair(queries[q], products[p]) for q, p in ((0, 0), (0, 1), (1, 2), (1, 0))]
    parts = take_apart(collate([PairGroup(pairs, np.zeros(4, np.float32))], rule.pad_id), torch.device("cpu"))
    assert (len(parts.query_ids), len(parts.product_ids)) == (2, 3)
    for pair, (query, product) in enumerate(((0, 0), (0, 1), (1, 2), (1, 0))):
        row, other = parts.query_of[pair], parts.product_of[pair]
        assert tuple(parts.query_ids[row][parts.query_mask[row].bool()].tolist()) == rule.alone(queries[query])
        assert tuple(parts.product_ids[other][parts.product_mask[other].bool()].tolist()) == rule.alone(
            products[product]
        )
    # red shoe in "red shoe", in "blue suede shoe with laces"; usb c cable in "usb cable", in "red shoe".
    assert parts.matches[0, :4].tolist() == [0, 1, 1, 0]
    assert parts.matches[1, :4].tolist() == [0, 0, 1, 0]
    assert parts.matches[2, :5].tolist() == [0, 1, 0, 1, 0]
    assert parts.matches[3].sum() == 0


@pytest.mark.parametrize("joint_layers", [1, 2])
def test_a_pair_scores_the_same_alone_and_in_any_batch(rule: PairEncoder, joint_layers: int) -> None:
    student = student_of(rule, joint_layers=joint_layers)
    every = [(query, product) for query in range(2) for product in range(4)]
    together = logits_of(student, rule, every)
    alone = torch.cat([logits_of(student, rule, [pair]) for pair in every])
    assert together.std() > 1e-3
    torch.testing.assert_close(together, alone, atol=2e-2, rtol=2e-2)


def test_the_product_side_never_looks_at_the_query(rule: PairEncoder) -> None:
    student = student_of(rule)
    _, products = texts(rule)
    ids = torch.tensor([rule.alone(products[1])])
    with torch.inference_mode():
        first = student.latents(ids, torch.ones_like(ids))
    assert first.shape == (1, ids.shape[1], 16)
    torch.testing.assert_close(first.norm(dim=-1), torch.ones(1, ids.shape[1]))


def test_late_interaction_against_a_plain_loop() -> None:
    rng = torch.Generator().manual_seed(0)
    latents = torch.nn.functional.normalize(torch.randn(1, 3, 4, generator=rng), dim=-1)
    mask = torch.tensor([[1, 1, 0]])
    own = torch.nn.functional.normalize(torch.randn(4, 4, generator=rng), dim=-1)
    weights = torch.tensor([0.0, 0.5, 0.5, 0.0])
    pooled = torch.nn.functional.normalize(torch.randn(4, generator=rng), dim=-1)
    constants = QueryConstants(*[torch.zeros(1)] * 6)
    queries = Queries(constants, own, weights, torch.ones(4), pooled)
    dots = Dots(torch.zeros(1), torch.zeros(1), own @ latents.transpose(1, 2))
    found = late_interaction(queries, torch.tensor([[0.0, 1.0, 0.0, 0.0]]), Products(latents, mask), dots)[0]
    best = [max(float(own[token] @ latents[0, place]) for place in range(2)) for token in (1, 2)]
    mean = latents[0, :2].mean(0)
    torch.testing.assert_close(found, torch.tensor([float(pooled @ mean / mean.norm()), sum(best) / 2, 0.5]))


def test_main_directions_keep_inner_products() -> None:
    states = torch.randn(50, 3, dtype=torch.double) @ torch.randn(3, 8, dtype=torch.double)
    directions = principal_directions(states, 3)
    torch.testing.assert_close(directions @ directions.T, torch.eye(3, dtype=torch.double))
    seen = states @ directions.T
    torch.testing.assert_close(seen @ seen.T, states @ states.T)


def test_it_learns_a_pool_and_comes_back_from_its_files(rule: PairEncoder, tmp_path: Path) -> None:
    pool = tiny_pool()
    labels = np.linspace(-2, 2, len(pool)).astype(np.float32)
    settings = StudentSettings(
        kind="split", split=SplitSettings(latent_width=16), template=STUDENT_TEMPLATE, epochs=30,
        learning_rate=5e-3, loss="pointwise_mse", pairs_per_batch=10, title_only_share=0.0,
    )  # fmt: skip
    student = initial_split(encoder_model(), settings.split, rule.encode_products(pool.products), rule)
    losses: list[float] = []
    train_student(
        student, StudentTask(pool, labels, settings, 0), TrainingHooks(observers=[lambda *step: losses.append(step[2])])
    )
    assert np.mean(losses[-9:]) < 0.5 * np.mean(losses[:9])
    save_split(student, tmp_path)
    torch.testing.assert_close(
        logits_of(load_split(tmp_path), rule, [(0, 0), (1, 2)]), logits_of(student, rule, [(0, 0), (1, 2)])
    )


@pytest.mark.parametrize(("kept", "joint"), [((0, 2), 1), ((0, 2, 3), 2), (None, 1), ((3,), 2), ((0,), 3)])
def test_an_encoder_keeps_the_layers_asked_for_and_the_joint_ones_start_as_the_last(
    rule: PairEncoder, tmp_path: Path, kept: tuple[int, ...] | None, joint: int
) -> None:
    whole = encoder_model(layers=4)
    shape = SplitSettings(latent_width=16, joint_layers=joint, encoder_layers=kept)
    student = initial_split(encoder_model(layers=4), shape, rule.encode_products(PRODUCTS), rule)
    for layer, number in zip(student.model.encoder.layer, kept or range(4), strict=True):
        wanted = whole.encoder.layer[number].attention.self.query.weight
        torch.testing.assert_close(layer.attention.self.query.weight, wanted)
    for layer, number in zip(student.joint, range(4 - joint, 4), strict=True):
        torch.testing.assert_close(layer.query.weight, whole.encoder.layer[number].attention.self.query.weight)
    save_split(student, tmp_path)
    student.train(False)
    again, pairs = load_split(tmp_path), [(0, 0), (1, 2)]
    torch.testing.assert_close(logits_of(again, rule, pairs), logits_of(student, rule, pairs))


def test_an_encoder_of_fewer_layers_than_joint_ones_is_refused(rule: PairEncoder) -> None:
    with pytest.raises(ValueError, match="3 joint layers cannot start as 2 layers"):
        student_of(rule, joint_layers=3)


@pytest.mark.parametrize("late", [True, False])
def test_late_interaction_counts_where_it_is_asked_for(rule: PairEncoder, late: bool) -> None:
    student, pairs = student_of(rule, late_interaction=late), [(0, 0), (1, 2)]
    before = logits_of(student, rule, pairs)
    torch.nn.init.constant_(student.features.weight, 5.0)
    assert torch.equal(logits_of(student, rule, pairs), before) != late


def test_layers_in_disorder_are_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder_layers must be distinct and ascending, got \(0, 3, 2\)"):
        SplitSettings(encoder_layers=(0, 3, 2))


def test_a_student_with_narrow_joint_layers_comes_back_from_its_files(rule: PairEncoder, tmp_path: Path) -> None:
    student = student_of(rule, joint_units=8)
    save_split(student, tmp_path)
    again, pairs = load_split(tmp_path), [(0, 0), (1, 2)]
    assert [layer.output.dense.in_features for layer in again.joint] == [8, 8]
    torch.testing.assert_close(logits_of(again, rule, pairs), logits_of(student, rule, pairs))
