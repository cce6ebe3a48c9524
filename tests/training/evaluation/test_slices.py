from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.product import Product
from tests.training.hand_made import QUERIES, dataset, scored
from training.datasets.schema import Dataset, Judgement
from training.evaluation.measure import measure
from training.evaluation.slices import brand_finder, has_model_number, query_length, slice_figures, slices_of


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lamp", "1 word"),
        (" red  lamp ", "2 words"),
        ("a b c", "3 words"),
        ("a b c d", "4+ words"),
        ("a " * 9, "4+ words"),
    ],
)
def test_length_is_in_words(query: str, expected: str) -> None:
    assert query_length(query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sony wh-1000xm4", True),
        ("ipad 2 64gb", True),
        ("bosch 0986", True),
        ("router 123", True),
        ("part 12-345", True),
        ("2 lamps", False),
        ("size 42", False),
        ("red lamp", False),
    ],
)
def test_a_model_number_has_letters_and_digits_or_three_digits(query: str, expected: bool) -> None:
    assert has_model_number(query) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ACME lamp", True),
        ("lamp of acme", True),
        ("Dëlta Sound bar", True),
        ("delta bar with sound", False),
        ("sound delta", False),
        ("acmes lamp", False),
        ("d-link router", True),
    ],
)
def test_a_brand_counts_where_all_its_words_stand_together(query: str, expected: bool) -> None:
    assert brand_finder(["Acme", "Delta Sound", "D-Link", "®"])(query) is expected


def test_the_brands_of_a_catalogue_are_gone_through_once_for_all_queries() -> None:
    names_brand = brand_finder(iter(["Acme"]))
    assert [names_brand(query) for query in ("lamp", "acme lamp", "acme shoe")] == [False, True, True]


def test_the_slices_of_hand_made_queries() -> None:
    slices = slices_of(dataset())
    assert slices["query length"] == {
        "1 word": ["lamp"],
        "2 words": ["acme lamp"],
        "3 words": ["red oak table", "dëlta sound bar"],
        "4+ words": ["sony wh-1000xm4 head phones"],
    }
    assert slices["brand"] == {
        "names a brand": [QUERIES[1], QUERIES[3], QUERIES[4]],
        "no brand": [QUERIES[0], QUERIES[2]],
    }
    assert slices["model number"]["has one"] == [QUERIES[3]]
    # Two queries are too few for a category of their own.
    assert slices["category"] == {"light": [QUERIES[0], QUERIES[2], QUERIES[4]], "other": [QUERIES[1], QUERIES[3]]}
    assert slices["candidates"] == {"1–5": list(QUERIES)}
    assert slices["relevant candidates"] == {"some": list(QUERIES)}


def test_queries_with_little_to_rank_are_told_apart() -> None:
    products = {str(n): Product(id=str(n), title="t") for n in range(60)}
    shares = {"none": 0, "one": 1, "most": 55, "all": 60}
    judgements = [
        Judgement(query, key, float(n < relevant))
        for query, relevant in shares.items()
        for n, key in enumerate(products)
    ]
    slices = slices_of(Dataset("d", products, judgements))
    assert slices["relevant candidates"] == {
        "none": ["none"],
        "some": ["one"],
        "nearly all (90 % or more)": ["most", "all"],
    }
    assert slices["candidates"] == {"51 or more": list(shares)}
    assert slices["category"] == {"unknown": list(shares)}
    assert slices["brand"] == {"no brand": list(shares)}


@pytest.mark.parametrize(
    ("candidates", "expected"), [(1, "1–5"), (5, "1–5"), (6, "6–10"), (20, "11–20"), (50, "21–50"), (51, "51 or more")]
)
def test_the_number_of_candidates(candidates: int, expected: str) -> None:
    products = {str(n): Product(id=str(n), title="t") for n in range(candidates)}
    data = Dataset("d", products, [Judgement("a", key, 1.0) for key in products])
    assert slices_of(data)["candidates"] == {expected: ["a"]}


def test_a_categorys_type_is_that_of_the_most_relevant_products() -> None:
    kinds = ("shoe", "bag", "bag", "hat", "hat", "hat")
    products = {str(n): Product(id=str(n), title="t", product_type=kind) for n, kind in enumerate(kinds)}
    targets = (0.5, 1.0, 1.0, 1.0, 0.0, 0.0)
    judgements = [Judgement(query, str(n), t) for query in ("a", "b", "c") for n, t in enumerate(targets)]
    assert slices_of(Dataset("d", products, judgements))["category"] == {"bag": ["a", "b", "c"]}


def test_only_the_largest_categories_stand_alone() -> None:
    products = {str(n): Product(id=str(n), title="t", product_type=f"kind {n:02}") for n in range(12)}
    judgements = [Judgement(f"query {n} {i}", str(n), 1.0) for n in range(12) for i in range(3 + n)]
    by_category = slices_of(Dataset("d", products, judgements))["category"]
    assert list(by_category) == [f"kind {n:02}" for n in range(11, 3, -1)] + ["other"]
    assert len(by_category["other"]) == 3 + 4 + 5 + 6


@given(st.lists(st.text(max_size=12).filter(str.strip), min_size=1, max_size=12, unique=True))
def test_within_a_dimension_each_query_has_one_slice(queries: list[str]) -> None:
    for by_value in slices_of(dataset(tuple(queries))).values():
        assert sorted(query for part in by_value.values() for query in part) == sorted(queries)
        assert all(by_value.values())


def test_a_slices_figures_are_those_of_its_queries_alone() -> None:
    data = dataset()
    evaluation = measure(scored(data))
    cell = slice_figures(evaluation, slices_of(data))["query length"]["3 words"]
    teacher, student = (evaluation.values["ndcg@10"][system][[2, 4]] for system in ("teacher", "student"))
    assert (cell["queries"], cell["ranked"]) == (2, 2)
    assert cell["ndcg@10"]["student"]["mean"] == pytest.approx(student.mean())
    assert cell["student_minus_teacher"]["mean"] == pytest.approx((student - teacher).mean())


def test_queries_without_an_ndcg_are_counted_but_not_averaged() -> None:
    data = Dataset("d", {"1": Product(id="1", title="t")}, [Judgement("a", "1", 0.0), Judgement("b", "1", 1.0)])
    figures = slice_figures(measure(scored(data)), slices_of(data))
    assert figures["query length"]["1 word"]["queries"] == 2
    assert figures["query length"]["1 word"]["ranked"] == 1
    assert np.isnan(figures["relevant candidates"]["none"]["ndcg@10"]["student"]["mean"])
