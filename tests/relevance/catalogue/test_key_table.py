from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.catalogue.key_table import NOT_FOUND, KeyTable, as_digests, digests_of_ids

# Few values for each half, so that digests share one or both.
halves = st.sampled_from([bytes(8), b"\x01" * 8, b"\xff" * 8, b"\x00" * 7 + b"\x01"])
digests = st.lists(st.builds(bytes.__add__, halves, halves), max_size=30)


@given(digests, digests)
def test_it_finds_what_a_dictionary_finds(stored: list[bytes], asked: list[bytes]) -> None:
    plain = {key: row for row, key in enumerate(stored)}
    table = KeyTable(as_digests(stored))
    assert table.rows(as_digests(asked)).tolist() == [plain.get(key, NOT_FOUND) for key in asked]
    assert len(table) == len(plain)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=200))
def test_it_finds_every_digest_of_its_own(stored: list[bytes]) -> None:
    rows = KeyTable(as_digests(stored)).rows(as_digests(stored))
    assert [stored[row] for row in rows] == stored


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        as_digests([bytes(16), bytes(15)])


def test_ids_differ_and_half_a_surrogate_pair_is_an_id() -> None:
    ids = ["1", "01", " 1", "", "é", "\ud800"]
    assert len(np.unique(digests_of_ids(ids), axis=0)) == len(ids)
