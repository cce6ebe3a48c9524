from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from export.repeated_ids import ROW, SeenProducts
from relevance.product import Product


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["lamp", "desk"])), max_size=12), st.integers(1, 5))
def test_it_finds_what_a_table_of_all_products_finds(rows: list[tuple[str, str]], block: int) -> None:
    products = [Product(id=key, title=title) for key, title in rows]
    places = [3 * number + 2 for number in range(len(rows))]
    seen = SeenProducts()
    for start in range(0, len(rows), block):
        seen.add(products[start : start + block], places[start : start + block])
    last: dict[str, tuple[str, int]] = {}
    repeated, differing = 0, None
    for (key, title), place in zip(rows, places, strict=True):
        before, where = last.get(key, (title, 0))
        repeated += key in last
        if before != title and differing is None:
            differing = (where, place)
        last[key] = (title, place)
    assert seen.repeated() == (repeated, differing)


def test_a_product_takes_no_more_than_its_entry_in_the_index() -> None:
    assert ROW.itemsize == 32
