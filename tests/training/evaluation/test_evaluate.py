from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from relevance.product import Product
from relevance.ranking_metrics import expected_calibration_error
from training.checks import general_check
from training.datasets.schema import Dataset, Judgement
from training.evaluation.evaluate import baselines, by_query, evaluate, score_judged
from training.evaluation.measure import as_json, table
from training.finish import calibrate
from training.models.bi_encoder import BiEncoder

TITLES = ["red shoe", "blue shoe", "usb cable", "oak table"]
PRODUCTS = {str(n): Product(id=str(n), title=title) for n, title in enumerate(TITLES)}


def dataset(queries: int = 8) -> Dataset:
    judgements = [
        Judgement(f"query {q}", str(n), target) for q in range(queries) for n, target in enumerate((1.0, 0.5, 0.0, 0.0))
    ]
    return Dataset("d", PRODUCTS, judgements)


def oracle(queries: Sequence[str], products: Sequence[Product]) -> np.ndarray:
    return np.tile([4.0, 3.0, 2.0, 1.0], len(products) // 4)


def reverse(queries: Sequence[str], products: Sequence[Product]) -> np.ndarray:
    return -oracle(queries, products)


def test_systems_are_compared_on_the_same_queries() -> None:
    evaluation = evaluate(dataset(), {"oracle": oracle, "reverse": reverse})
    assert evaluation.means("ndcg@10")["oracle"] == pytest.approx(1.0)
    assert evaluation.means("auc") == {"oracle": 1.0, "reverse": 0.0}
    assert evaluation.means("mrr@10") == {"oracle": 1.0, "reverse": pytest.approx(1 / 3)}
    difference = evaluation.difference("ndcg@10", "oracle", "reverse")
    assert difference.low > 0.0
    assert as_json(evaluation)["auc"]["oracle"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert "| oracle | 1.0000 | 1.0000 | 1.000 – 1.000 | 1.0000 | 1.0000 |" in table(evaluation, "d")


def test_systems_are_asked_for_whole_queries_in_blocks() -> None:
    asked: list[list[str]] = []

    def listening(queries: Sequence[str], products: Sequence[Product]) -> np.ndarray:
        asked.append(list(queries))
        return np.array([hash((query, product.id)) for query, product in zip(queries, products, strict=True)])

    data = dataset(5)
    pairs = score_judged(data, {"one": listening}, queries_at_once=2)
    assert [len(queries) for queries in asked] == [8, 8, 4]
    assert pairs.scores["one"].tolist() == [float(hash((j.query, j.product_id))) for j in data.judgements]


def test_a_system_that_takes_one_query_at_a_time_gets_its_own_products() -> None:
    asked: list[tuple[str, list[str]]] = []

    def scored(query: str, products: Sequence[Product]) -> np.ndarray:
        asked.append((query, [product.title for product in products]))
        return np.full(len(products), float(len(asked)))

    scores = by_query(scored)(["a", "a", "b"], [PRODUCTS[n] for n in "012"])
    assert asked == [("a", ["red shoe", "blue shoe"]), ("b", ["usb cable"])]
    assert scores.tolist() == [1.0, 1.0, 2.0]


def test_gains_are_exponential_on_a_four_level_scale() -> None:
    evaluation = evaluate(dataset(1), {"reverse": reverse})
    gains, discounts = [0.0, 0.0, 2**1.5 - 1, 7.0], 1 / np.log2([2, 3, 4, 5])
    ideal = np.dot(sorted(gains, reverse=True), discounts)
    assert evaluation.means("ndcg@10")["reverse"] == pytest.approx(np.dot(gains, discounts) / ideal)


def test_the_baselines_rank_the_obvious() -> None:
    data = Dataset("d", PRODUCTS, [Judgement("red shoe", str(n), float(n == 0)) for n in range(4)])
    evaluation = evaluate(data, baselines(data, BiEncoder(), seed=0))
    assert list(evaluation.scores) == ["random", "bm25", "cosine"]
    assert evaluation.means("mrr@10")["bm25"] == 1.0
    assert evaluation.means("mrr@10")["cosine"] == 1.0


def test_calibration_turns_logits_into_probabilities_of_relevance() -> None:
    data = dataset()
    evaluation = evaluate(data, {"student": lambda _, products: np.tile([9.0, 7.0, 5.0, 5.0], len(products) // 4)})
    calibrated = calibrate(evaluation.pairs)
    targets = np.tile([1.0, 0.5, 0.0, 0.0], 8)
    raw = 1 / (1 + np.exp(-evaluation.scores["student"]))
    assert calibrated.cross_fitted_error < 0.1 < expected_calibration_error(targets, raw)
    assert calibrated.calibration.probability(np.array([7.0])) == pytest.approx(0.5, abs=0.15)


def test_the_general_check_is_what_its_card_says() -> None:
    check = general_check()
    assert len(check.by_query()) == 100
    assert {len(group) for group in check.by_query().values()} == {10}
    assert {round(judgement.target * 3, 6) for judgement in check.judgements} == {0.0, 1.0, 2.0, 3.0}
