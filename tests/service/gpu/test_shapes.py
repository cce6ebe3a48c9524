from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.gpu.shapes import Cut, Ladders, NoShapeError, Shape, Shapes, make_grid, make_shapes

COUNTS = st.lists(st.integers(1, 200), max_size=5)


@given(st.integers(4, 512), st.integers(1, 8192), st.builds(Ladders, COUNTS, COUNTS), st.data())
def test_every_micro_batch_is_cut_whole_into_shapes_that_hold_it(
    longest: int, tokens: int, ladders: Ladders, data: st.DataObject
) -> None:
    shapes = make_shapes(longest, tokens, ladders)
    row, pairs = data.draw(st.integers(1, longest)), data.draw(st.integers(1, 300))
    cuts = shapes.cut(row, pairs)
    assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(pairs))
    for cut in cuts:
        assert cut.shape.length >= row
        assert cut.shape.pairs >= cut.stop - cut.start
        # One pair alone may be longer than a micro-batch.
        assert cut.shape.tokens <= tokens or cut.shape.pairs == 1


def test_the_ladders_of_a_usual_bundle() -> None:
    shapes = make_shapes(93, 1024, Ladders())
    assert shapes.lengths == (16, 24, 32, 48, 64, 96)
    assert sorted(shape.pairs for shape in shapes if shape.length == 32) == [1, 2, 4, 8, 12, 16, 24, 32]
    assert shapes.largest is not None
    assert shapes.largest.tokens == 1024


def test_what_settings_wish_for_is_taken_and_the_longest_pair_still_has_a_row() -> None:
    shapes = make_shapes(93, 1024, Ladders(lengths=[32], pairs=[8]))
    assert list(shapes) == [(32, 32), (10, 96), (8, 96), (8, 32), (1, 96), (1, 32)]


def test_a_grid_has_as_many_pairs_of_every_length() -> None:
    assert set(make_grid(93, 12, Ladders(lengths=[32]))) == {
        (pairs, length) for pairs in (1, 2, 4, 8, 12) for length in (32, 96)
    }


def test_the_smallest_shape_that_fits_is_taken() -> None:
    shapes = Shapes([Shape(1, 16), Shape(8, 16), Shape(8, 32)])
    assert shapes.cut(16, 2) == [Cut(0, 2, Shape(8, 16))]
    assert shapes.cut(17, 9) == [Cut(0, 8, Shape(8, 32)), Cut(8, 9, Shape(8, 32))]
    with pytest.raises(NoShapeError, match="33 tokens"):
        shapes.cut(33, 1)


def test_without_a_shape_all_as_large_are_gone() -> None:
    shapes = Shapes([Shape(1, 16), Shape(8, 16), Shape(4, 32), Shape(1, 32)])
    assert list(shapes.without(Shape(8, 16))) == [(1, 32), (1, 16)]
