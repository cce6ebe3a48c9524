"""The rules for faults that all readers share."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.assembly import JudgementTable, ProductTable
from training.errors import DataError

PRODUCTS, RATINGS = Path("products.csv"), Path("ratings.csv")


def products(*rows: tuple[str, str | None]) -> ProductTable:
    made = ProductTable(PRODUCTS)
    for line, (product_id, title) in enumerate(rows, start=2):
        made.add({"id": product_id, "title": title}, line)
    return made


def table(made: ProductTable, *rows: tuple[str, str, float]) -> JudgementTable:
    judged = JudgementTable(RATINGS, made)
    for line, row in enumerate(rows, start=2):
        judged.add(*row, line)
    return judged


@pytest.mark.parametrize("title", [None, "", " \t", float("nan")])
def test_an_untitled_product_is_an_error_where_it_is_judged(title: str | None) -> None:
    made = products(("a", "lamp"), ("b", title))
    with pytest.raises(DataError, match=r"products\.csv:3: 'title' is missing .* 'b' is judged in ratings\.csv:2"):
        table(made, ("light", "b", 1.0))


def test_an_untitled_product_that_nobody_judged_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    made = products(("a", "lamp"), ("b", None), ("c", " "))
    made.log_left_out()
    assert list(made.by_id) == ["a"]
    assert "products.csv: products without a title are left out: 2" in caplog.text


def test_a_judged_product_must_be_in_the_products() -> None:
    with pytest.raises(DataError, match=r"ratings\.csv:2: product 'z' is judged, but is no product of products\.csv"):
        table(products(("a", "lamp")), ("light", "z", 1.0))


def test_a_product_given_twice_is_an_error_only_if_the_rows_differ(caplog: pytest.LogCaptureFixture) -> None:
    made = products(("a", "lamp"), ("b", "desk"), ("a", "lamp"))
    made.log_left_out()
    assert "repeat a product word for word are left out: 1" in caplog.text
    with pytest.raises(
        DataError, match=r"csv:5: product id 'a' occurs twice with different content, .* products\.csv:2"
    ):
        made.add({"id": "a", "title": "another lamp"}, 5)


def test_a_bad_field_is_named_with_its_value() -> None:
    with pytest.raises(DataError, match=r"products\.csv:9: prior: .*got 'much'"):
        ProductTable(PRODUCTS).add({"id": "a", "title": "t", "prior": "much"}, 9)


def test_a_pair_that_was_judged_several_times_gets_the_mean(caplog: pytest.LogCaptureFixture) -> None:
    made = products(("a", "lamp"), ("b", "desk"))
    with caplog.at_level(logging.INFO):
        pairs = table(made, ("q", "a", 1.0), ("q", "b", 0.25), ("q", "a", 0.0), ("q", "a", 0.5)).judgements()
    assert [(pair.product_id, pair.target) for pair in pairs] == [("a", 0.5), ("b", 0.25)]
    assert "judgements that repeat a pair are averaged into it: 2" in caplog.text


def test_no_judgements_are_an_error() -> None:
    with pytest.raises(DataError, match=r"ratings\.csv has no judgements"):
        table(products(("a", "lamp"))).judgements()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from("ab"), st.sampled_from([0.0, 0.5, 1.0])), min_size=1))
def test_one_target_over_the_whole_dataset_is_an_error_and_nothing_else_is(rows: list[tuple[str, str, float]]) -> None:
    given_targets: dict[tuple[str, str], list[float]] = {}
    for query, product_id, target in rows:
        given_targets.setdefault((query, product_id), []).append(target)
    means = {pair: sum(targets) / len(targets) for pair, targets in given_targets.items()}
    judged = table(products(("a", "lamp"), ("b", "desk")), *rows)
    if len(set(means.values())) == 1:
        with pytest.raises(DataError, match="so there is nothing to learn"):
            judged.judgements()
    else:
        assert {(pair.query, pair.product_id): pair.target for pair in judged.judgements()} == pytest.approx(means)
