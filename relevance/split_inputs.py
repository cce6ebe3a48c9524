"""From token ids and product records to the inputs of a split student's graphs, and from outputs to records.

Used by the export's comparisons and by serving alike. Pure; the shapes are those of `split_graphs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from relevance.pair_encoding import pad_texts
from relevance.product_record import Latents, ProductRecord
from relevance.split_graphs import ENCODER_INPUTS, NO_PRODUCT_TOKEN, NO_QUERY_TOKEN

NumberT = TypeVar("NumberT", np.int8, np.int32)

Feed = dict[str, npt.NDArray[Any]]
Constants = Mapping[str, npt.NDArray[np.float32]]
"""The constants of a request, by the names that the graph `query` gives them."""


def encoder_inputs(texts: Sequence[Sequence[int]], pad_id: int, shape: tuple[int, int] | None = None) -> Feed:
    """Inputs of `encoder` for n texts, special tokens included; padded to `shape` (rows, tokens) if one is given."""
    return dict(zip(ENCODER_INPUTS, pad_texts(texts, pad_id, shape), strict=True))


def records_of(texts: Sequence[Sequence[int]], latents: Latents, truncated: Sequence[bool]) -> list[ProductRecord]:
    """The records of n products from the encoder's `latents` (n, longest, D)."""
    return [
        ProductRecord(np.array(ids, dtype=np.uint32), latents[row, : len(ids)].copy(), cut)
        for row, (ids, cut) in enumerate(zip(texts, truncated, strict=True))
    ]


def query_ids(ids: Sequence[int]) -> npt.NDArray[np.int64]:
    """A query's ids (Lq,) as `joint` matches them: without the special tokens at its ends."""
    own = np.array(ids, dtype=np.int64)
    own[[0, -1]] = NO_QUERY_TOKEN
    return own


def joint_inputs(
    constants: Constants,
    ids: npt.NDArray[np.int64],
    records: Sequence[ProductRecord],
    shape: tuple[int, int] | None = None,
) -> Feed:
    """Inputs of `joint` for one query, `ids` as of `query_ids`, and n products, padded to the longest or to `shape`.

    Rows that are left over repeat the last product: one without tokens would divide by zero. A lone product comes twice
    in any case: matrices of a single row are multiplied by other code, which adds in another order, and the product's
    logit would not be the one that it has among others.
    """
    counts = [len(record.token_ids) for record in records]
    rows, longest = shape or (len(records), max(counts))
    left_over = max(rows, 2) - len(records)
    records = [*records, *[records[-1]] * left_over]
    lengths = np.array(counts + counts[-1:] * left_over, dtype=np.int64)
    latents = _padded([record.latents for record in records], longest, np.zeros_like(records[0].latents[:1]))
    filler = np.full(1, NO_PRODUCT_TOKEN, dtype=np.int32)
    product_ids = _padded([record.token_ids for record in records], longest, filler).astype(np.int64)
    product_ids[:, 0] = product_ids[np.arange(len(records)), lengths - 1] = NO_PRODUCT_TOKEN
    return {
        **constants,
        "query_ids": ids,
        "product_latents": latents,
        "product_ids": product_ids,
        "product_lengths": lengths,
    }


def _padded(rows: Sequence[npt.NDArray[Any]], longest: int, filler: npt.NDArray[NumberT]) -> npt.NDArray[NumberT]:
    """Arrays (length, ...) as one (n, longest, ...), filled up with `filler` (1, ...), of whose size their numbers are.

    Joined as bytes: for each copy by itself numpy lets go of the interpreter's lock and has to wait for it again,
    which is most of what making the inputs takes under load.
    """
    padding = memoryview(filler.tobytes() * longest)
    joined = b"".join([part for row in rows for part in (row.data, padding[row.nbytes :])])
    return np.frombuffer(joined, dtype=filler.dtype).reshape(len(rows), longest, *filler.shape[1:])
