from __future__ import annotations

from typing import Any

import pytest

from training.config import DistillSettings, StudentSettings
from training.study.__main__ import loss_variants, of_seed, scaling_variants, summarise, table

METRICS = ("ndcg@5", "ndcg@10", "auc")


def readings(pairs: int | None, **systems: list[float]) -> dict[str, Any]:
    values = dict.fromkeys(METRICS, systems)
    return {"held_out": values, "general": values, **({} if pairs is None else {"pairs": pairs})}


def seeds() -> dict[int, dict[str, Any]]:
    return {
        0: {
            "references": readings(None, bm25=[0.1, 0.2], cosine=[0.5, 0.5], teacher=[0.6, 0.8]),
            "4x": readings(40, student=[0.7, 0.9]),
        },
        1: {
            "references": readings(None, bm25=[0.3], cosine=[0.5], teacher=[0.4]),
            "4x": readings(44, student=[0.5]),
        },
    }


def test_rows_are_means_over_the_queries_of_all_seeds() -> None:
    rows = {row["system"]: row for row in summarise(seeds())}
    assert list(rows) == ["bm25", "cosine", "teacher", "4x"]
    assert rows["4x"]["ndcg@10"]["mean"] == pytest.approx(0.7)
    assert rows["4x"]["seeds"] == pytest.approx([0.8, 0.5])
    assert rows["4x"]["minus_teacher"] == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1})
    assert rows["cosine"]["minus_cosine"]["mean"] == 0.0


def test_the_table_names_every_system_with_its_pairs() -> None:
    lines = table(summarise(seeds())).splitlines()
    assert lines[-1].startswith("| 4x | 42 | 0.7000 [")
    assert "+0.1000 [+0.100, +0.100]" in lines[-1]


def test_each_seed_holds_out_other_queries_and_draws_a_pool_of_the_largest_multiple() -> None:
    base = DistillSettings(held_out_fraction=0.5, synthetic_judged_queries=4)
    first, second = (of_seed(base, seed, 8) for seed in (0, 1))
    assert (first.seed, first.fold, first.split_seed) == (0, 0, 0)
    assert (second.seed, second.fold, second.split_seed) == (1, 1, 0)
    assert first.pool.pairs == 8 * 40


def test_the_variants_are_settings_that_exist() -> None:
    assert [variant.multiple for variant in scaling_variants([0, 4])] == [0, 4]
    for variant in loss_variants(4):
        StudentSettings.model_validate({**StudentSettings().model_dump(), **variant.changes})
