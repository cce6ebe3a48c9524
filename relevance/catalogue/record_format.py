"""One product record as bytes: a header of 32, the token ids, the latents, all little-endian.

    crc32 of all that follows │ tokens │ key (16) │ flags │ width │ token ids (tokens × 4) │ latents (tokens × width)

The key is among what the checksum covers: bytes read at a wrong place, or from a file that was swapped, are never
taken for the record that was asked for.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np

from relevance.catalogue.errors import DamagedRecordError
from relevance.product_record import KEY_BYTES, Latents, ProductRecord, TokenIds

HEADER: Final = struct.Struct("<II16sII")
CHECKED_FROM: Final = 4
TOKEN: Final = np.dtype("<u4")
TOKEN_BYTES: Final = TOKEN.itemsize
LATENT: Final = np.dtype(np.int8)
TRUNCATED: Final = 1

ALIGNMENT: Final = 8
"""Records begin at multiples of it."""


def pack_record(key: bytes, record: ProductRecord) -> bytes:
    """The bytes of a record with its key; ValueError if an array or the key has another shape or type than it must."""
    ids, latents = record.token_ids, record.latents
    if ids.dtype != np.uint32 or latents.dtype != np.int8:
        raise ValueError(f"token ids must be uint32 and latents int8, not {ids.dtype} and {latents.dtype}")
    if ids.ndim != 1 or latents.ndim != 2 or len(ids) != len(latents):
        raise ValueError(f"token ids (length,) and latents (length, width) do not fit: {ids.shape}, {latents.shape}")
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    flags = TRUNCATED if record.truncated else 0
    header = HEADER.pack(0, len(ids), key, flags, latents.shape[1])
    checked = header[CHECKED_FROM:] + ids.astype(TOKEN).tobytes() + latents.tobytes()
    return zlib.crc32(checked).to_bytes(CHECKED_FROM, "little") + checked


def unpack_record(packed: bytes, key: bytes, width: int) -> ProductRecord:
    """The record of `key`, its arrays read-only views into `packed`; DamagedRecordError if it is not that, whole."""
    if len(packed) < HEADER.size:
        raise DamagedRecordError("the file ends inside the record")
    checksum, tokens, its_key, flags, its_width = HEADER.unpack_from(packed)
    if zlib.crc32(memoryview(packed)[CHECKED_FROM:]) != checksum:
        raise DamagedRecordError("its checksum does not match")
    if its_key != key or its_width != width or len(packed) != HEADER.size + tokens * (TOKEN_BYTES + width):
        raise DamagedRecordError("it is the record of another product")
    ids: TokenIds = np.ndarray(tokens, TOKEN, packed, HEADER.size)
    latents: Latents = np.ndarray((tokens, width), LATENT, packed, HEADER.size + tokens * TOKEN_BYTES)
    return ProductRecord(ids, latents, bool(flags & TRUNCATED))
