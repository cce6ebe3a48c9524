from __future__ import annotations

from typing import Any

import pytest

from training.study.summary import dots, figures, general, series_of, summarise, table


def readings(pairs: int | None, held_out: dict[str, list[float | None]], general: float = 0.8) -> dict[str, Any]:
    elsewhere = {name: [general, 0.5] for name in held_out}
    places = {"held_out": held_out, "general": elsewhere}
    both = {place: dict.fromkeys(("ndcg@10", "auc"), systems) for place, systems in places.items()}
    return {**both, **({} if pairs is None else {"pairs": pairs})}


def seeds() -> dict[int, dict[str, Any]]:
    return {
        0: {
            "references": readings(None, {"bm25": [0.1, 0.2], "cosine": [0.5, 0.5], "teacher": [0.6, 0.8]}),
            "4x": readings(40, {"student": [0.7, 0.9]}, general=0.6),
        },
        1: {
            # A query without any relevant product has no nDCG: null in the file.
            "references": readings(None, {"bm25": [0.3, None], "cosine": [0.5, None], "teacher": [0.4, None]}),
            "4x": readings(44, {"student": [0.5, None]}, general=0.8),
        },
    }


def test_rows_are_means_over_the_queries_of_all_seeds() -> None:
    rows = {row["system"]: row for row in summarise(seeds())}
    assert list(rows) == ["bm25", "cosine", "teacher", "4x"]
    assert rows["4x"]["ndcg@10"]["mean"] == pytest.approx(0.7)
    assert rows["4x"]["seeds"] == pytest.approx([0.8, 0.5])
    assert rows["4x"]["minus_teacher"] == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1})
    assert rows["cosine"]["minus_cosine"]["mean"] == 0.0


def test_the_general_checks_queries_count_once_however_many_seeds() -> None:
    assert general(seeds(), "4x", "student").tolist() == pytest.approx([0.7, 0.5])
    assert summarise(seeds())[-1]["general_ndcg@10"]["mean"] == pytest.approx(0.6)


def test_the_table_names_every_system_with_its_pairs() -> None:
    lines = table(summarise(seeds())).splitlines()
    assert lines[-1].startswith("| 4x | 42 | 0.7000 [")
    assert "+0.1000 [+0.100, +0.100]" in lines[-1]


def test_plots_hold_both_sets_of_queries() -> None:
    for figure in (*figures("scaling", seeds(), [4]).values(), dots(summarise(seeds()))):
        titles = " ".join(axes.get_title() + axes.get_title(loc="left") for axes in figure.axes)
        assert "held-out queries" in titles
        assert "general check" in titles


def test_a_curve_is_of_the_sizes_that_were_trained() -> None:
    by_seed = {0: {**seeds()[0], "16x": seeds()[0]["4x"]}}
    assert set(figures("scaling", by_seed, [1, 4, 16])) == {"scaling"}
    assert set(figures("scaling", by_seed, [1, 4])) == {"scaling"}
    assert len(figures("scaling", by_seed, [1, 4, 16])["scaling"].axes[0].get_xticks()) == 2


def test_series_hold_the_students_of_several_sizes() -> None:
    names = ["16x-split-1", "16x-split-2", "1x-split-1", "references"]
    assert series_of(names, [16, 1]) == {"split-1": {1: "1x-split-1", 16: "16x-split-1"}}


def test_the_split_study_has_a_curve_with_a_line_for_each_student() -> None:
    by_seed = {0: {**seeds()[0], **{f"{size}x-{name}": seeds()[0]["4x"] for size in (1, 4) for name in ("a", "b")}}}
    made = figures("split", by_seed, [1, 4])
    assert set(made) == {"split", "split-scaling"}
    labels = made["split-scaling"].axes[0].get_legend_handles_labels()[1]
    assert {"a, one seed", "b, one seed"} <= set(labels)
