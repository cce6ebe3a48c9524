"""What a split student keeps of a product: its tokens, and one short vector of each.

The product side of a split cross-encoder never looks at a query, so it is computed once. A record is addressed
by its content, the encoder's version and the product's token ids: a changed title, template or encoder is
another key, and a stale record can not be found.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

KEY_BYTES: Final = 16
"""Two of a billion different contents share a key with a probability of 10⁻²¹."""

TokenIds = npt.NDArray[np.uint32]
Latents = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class ProductRecord:
    """`token_ids` (length,) and `latents` (length, width) of `[CLS] product [SEP]`, both of the same length.

    A latent is a unit vector in int8 steps, whose size in each number the bundle's graphs know. `truncated` tells
    whether a budget of the template cut the product's text.
    """

    token_ids: TokenIds
    latents: Latents
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def nbytes(self) -> int:
        """Bytes of its two arrays."""
        return self.token_ids.nbytes + self.latents.nbytes


class ContentKeys:
    """Gives contents digests under one version: of what a model reads, so that no other version's is taken for it."""

    def __init__(self, version: str) -> None:
        self._version = hashlib.blake2b(version.encode(), digest_size=32).digest()

    def of(self, content: bytes) -> bytes:
        """The digest (KEY_BYTES) of (version, content)."""
        return hashlib.blake2b(content, digest_size=KEY_BYTES, key=self._version).digest()


class RecordKeys:
    """Gives each product a digest of what one version of an encoder reads of it."""

    def __init__(self, encoder_version: str) -> None:
        self._keys = ContentKeys(encoder_version)

    def key(self, ids: Sequence[int]) -> bytes:
        """The digest of (version, product token ids without special tokens)."""
        return self._keys.of(array("I", ids).tobytes())
