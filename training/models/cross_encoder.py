"""Scoring many pairs with a cross-encoder: length-sorted batches, results in the order of the pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from relevance.length_sorting import length_sorted_batches
from relevance.pair_encoding import EncodedPair, PairEncoder
from relevance.product import Product
from training.optimise.batches import PairGroup, collate
from training.optimise.losses import relevance_logit
from training.optimise.scorers import CrossEncoder, forward

TOKENS_PER_BATCH = 4096

Logits = npt.NDArray[np.float32]
Progress = Callable[[int], None]


def encode_pairs(encoder: PairEncoder, query: str, products: Sequence[Product]) -> list[EncodedPair]:
    """The pairs of one query with several products."""
    encoded = encoder.encode_queries([query])[0]
    return encoder.pairs(encoded, encoder.encode_products(products))


@torch.inference_mode()
def score_pairs(
    model: CrossEncoder,
    pairs: Sequence[EncodedPair],
    pad_id: int,
    progress: Progress | None = None,
) -> Logits:
    """Relevance logits (len(pairs),) in fp32; `progress` gets the number of pairs done in each batch."""
    model.train(False)
    logits = np.zeros(len(pairs), dtype=np.float32)
    for rows in length_sorted_batches([len(pair) for pair in pairs], TOKENS_PER_BATCH):
        group = PairGroup([pairs[row] for row in rows], np.zeros(len(rows), dtype=np.float32))
        logits[rows] = relevance_logit(forward(model, collate([group], pad_id))).cpu().numpy()
        if progress:
            progress(len(rows))
    return logits
