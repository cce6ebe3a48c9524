from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from relevance.catalogue.errors import DamagedRecordError
from relevance.catalogue.record_format import pack_record, unpack_record
from relevance.product_record import KEY_BYTES, ProductRecord
from tests.relevance.catalogue.hand_made import WIDTH, key_of, record_of, same

KEY = key_of("lamp")
PACKED = pack_record(KEY, record_of(KEY))

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@st.composite
def records(draw: st.DrawFn) -> ProductRecord:
    length, width = draw(st.integers(0, 20)), draw(st.integers(1, 20))
    ids = draw(hnp.arrays(np.uint32, length))
    return ProductRecord(ids, draw(hnp.arrays(np.int8, (length, width))), draw(st.booleans()))


@given(keys, records())
def test_a_record_comes_back_exactly(key: bytes, record: ProductRecord) -> None:
    assert same(unpack_record(pack_record(key, record), key, record.latents.shape[1]), record)


@given(st.integers(0, len(PACKED) * 8 - 1))
def test_any_flipped_bit_is_seen(bit: int) -> None:
    damaged = bytearray(PACKED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedRecordError):
        unpack_record(bytes(damaged), KEY, WIDTH)


@given(st.integers(0, len(PACKED) - 1))
def test_a_cut_record_is_seen(length: int) -> None:
    with pytest.raises(DamagedRecordError):
        unpack_record(PACKED[:length], KEY, WIDTH)


def test_another_products_record_is_never_taken_for_it() -> None:
    with pytest.raises(DamagedRecordError, match="another product"):
        unpack_record(PACKED, key_of("desk"), WIDTH)
    with pytest.raises(DamagedRecordError, match="another product"):
        unpack_record(PACKED, KEY, WIDTH + 1)


@pytest.mark.parametrize(
    ("ids", "latents"),
    [
        (np.zeros(3, np.uint32), np.zeros((2, 4), np.int8)),
        (np.zeros(3, np.int64), np.zeros((3, 4), np.int8)),
        (np.zeros(3, np.uint32), np.zeros((3, 4), np.float32)),
        (np.zeros(3, np.uint32), np.zeros(3, np.int8)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(ids: np.ndarray, latents: np.ndarray) -> None:
    with pytest.raises(ValueError, match="token ids"):
        pack_record(KEY, ProductRecord(ids, latents))
