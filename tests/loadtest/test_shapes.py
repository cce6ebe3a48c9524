from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.shapes import Draw, Shapes, ShapesError, load_shapes

SHAPES: dict[str, Any] = {
    "candidates": {"10": 1},
    "query_words": {"2": 1},
    "title_words": {"8": 1, "12": 3},
    "description_words": {"0": 1},
    "attributes": {"0": 1},
}


@given(weights=st.dictionaries(st.integers(0, 50), st.integers(1, 9), min_size=1), shares=st.integers(1, 40))
def test_values_come_by_their_weight(weights: dict[int, int], shares: int) -> None:
    draw, total = Draw(weights), sum(weights.values())
    drawn = [draw.at((unit + 0.5) / total) for unit in range(total)]
    assert {value: drawn.count(value) for value in weights} == weights
    assert draw.at(0.0) == min(weights)


def test_the_shapes_that_come_along_are_whole_and_say_their_source() -> None:
    shapes = load_shapes()
    assert shapes.source
    assert shapes.most_candidates >= 50


def test_lists_may_be_of_one_length() -> None:
    shapes = Shapes.model_validate({**SHAPES, "candidates": {"10": 3, "50": 1}})
    assert shapes.mean_candidates == 20
    assert shapes.of_length(None) is shapes
    assert shapes.of_length("7").candidates == shapes.of_length(7).candidates == {7: 1}
    assert shapes.of_length(7).title_words == shapes.title_words
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        shapes.of_length(0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"candidates": {"0": 1}}, r"candidates\.0\.\[key\]: Input should be greater than or equal to 1"),
        ({"title_words": {"5": -1}}, r"title_words\.5: Input should be greater than or equal to 0"),
        ({"query_words": {"2": 0}}, "query_words: Value error, some value needs a weight above 0"),
        ({"colours": {"1": 1}}, "colours: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps({**SHAPES, **change}))
    with pytest.raises(ShapesError, match=reason):
        load_shapes(path)


def test_a_file_that_is_not_there_or_no_json_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ShapesError, match="cannot read"):
        load_shapes(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ShapesError, match=r"bad\.json: file: Invalid JSON"):
        load_shapes(tmp_path / "bad.json")
