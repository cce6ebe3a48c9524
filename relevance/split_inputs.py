"""From token ids and product records to the inputs of a split student's graphs, and from outputs to records.

Used by the export's comparisons and by serving alike. Pure; the shapes are those of `split_graphs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relevance.pair_encoding import pad_texts
from relevance.product_record import Latents, ProductRecord
from relevance.split_graphs import ENCODER_INPUTS, NO_PRODUCT_TOKEN, NO_QUERY_TOKEN

Feed = dict[str, npt.NDArray[Any]]
Constants = Mapping[str, npt.NDArray[np.float32]]
"""The constants of a request, by the names of `QUERY_CONSTANTS`."""


def encoder_inputs(texts: Sequence[Sequence[int]], pad_id: int) -> Feed:
    """Inputs of `encoder` for n texts, special tokens included."""
    return dict(zip(ENCODER_INPUTS, pad_texts(texts, pad_id), strict=True))


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


def joint_inputs(constants: Constants, ids: npt.NDArray[np.int64], records: Sequence[ProductRecord]) -> Feed:
    """Inputs of `joint` for one query, `ids` as of `query_ids`, and n products, padded to the longest.

    A lone product comes twice: matrices of a single row are multiplied by other code, which adds in another order, and
    the product's logit would not be the one that it has among others.
    """
    if len(records) == 1:
        records = (records[0], records[0])
    lengths = np.fromiter(map(len, records), dtype=np.int64, count=len(records))
    shape = (len(records), int(lengths.max()))
    latents = np.empty((*shape, records[0].latents.shape[1]), dtype=np.int8)
    product_ids = np.full(shape, NO_PRODUCT_TOKEN, dtype=np.int64)
    for own_latents, own_ids, record in zip(latents, product_ids, records, strict=True):
        length = len(record)
        own_latents[:length] = record.latents
        own_latents[length:] = 0
        own_ids[1 : length - 1] = record.token_ids[1:-1]
    return {
        **constants,
        "query_ids": ids,
        "product_latents": latents,
        "product_ids": product_ids,
        "product_lengths": lengths,
    }
