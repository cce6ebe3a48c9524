"""The teacher: one or several cross-encoders fine-tuned on soft targets, averaged with the zero-shot bi-encoder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relevance.calibration import Calibration
from relevance.product import Product
from training.datasets.schema import Dataset
from training.evaluation.calibrate import fit_note, fit_platt
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import Logits, Progress, score_pairs
from training.models.pair_rule import PairRule
from training.optimise.scorers import CrossEncoder
from training.pool.chooser import TextEncoder

log = logging.getLogger("aisle.training")

PRODUCTS_PER_BLOCK = 8_192
"""Of which the vectors are held at once, when the cosine's scale is fitted."""


@dataclass(frozen=True, slots=True)
class Member:
    """One cross-encoder of any kind, and the rule by which it reads a pair."""

    model: CrossEncoder
    rule: PairRule

    def logits(self, queries: Sequence[str], products: Sequence[Product], progress: Progress | None = None) -> Logits:
        """Relevance logits (n,) of row-aligned pairs."""
        return score_pairs(self.model, self.rule.encode(queries, products), self.rule.pad_id, progress)


@dataclass(frozen=True, slots=True)
class Teacher:
    """The ensemble. `cosine_scale` maps the bi-encoder's cosine to a logit; its weight and the members' sum to 1."""

    members: Sequence[Member]
    bi_encoder: BiEncoder
    cosine_scale: Calibration
    cross_encoder_weight: float

    def combine(self, cross_encoder_logits: Logits, cosines: Logits) -> Logits:
        """Mean of the two logits (n,), weighted."""
        zero_shot = cosine_logits(cosines, self.cosine_scale)
        weight = self.cross_encoder_weight
        return (weight * cross_encoder_logits + (1.0 - weight) * zero_shot).astype(np.float32)

    def score_pairs(
        self,
        queries: Sequence[str],
        products: Sequence[Product],
        cosines: npt.NDArray[np.float32],
        progress: Progress | None = None,
    ) -> Logits:
        """Logits (n,) of row-aligned pairs with the bi-encoder's `cosines` (n,).

        The members' mean logit is averaged with the bi-encoder's. `progress` gets the number of pairs done.
        """
        share = _shared(progress, len(self.members)) if progress else None
        logits = [member.logits(queries, products, share) for member in self.members]
        return self.combine(np.mean(logits, axis=0, dtype=np.float32), cosines)

    def score(self, queries: Sequence[str], products: Sequence[Product]) -> Logits:
        """Logits (n,) of n row-aligned pairs."""
        return self.score_pairs(queries, products, self.bi_encoder.cosines(queries, products))


def cosine_logits(cosines: npt.NDArray[np.float32], scale: Calibration) -> Logits:
    """The bi-encoder's logits (n,)."""
    return (scale.scale * cosines + scale.bias).astype(np.float32)


def fit_cosine_scale(dataset: Dataset, bi_encoder: TextEncoder) -> Calibration:
    """Platt scaling of the cosine on the judged pairs; each query and each product is encoded once."""
    queries, query_of = _distinct([judgement.query for judgement in dataset.judgements])
    ids, product_of = _distinct([judgement.product_id for judgement in dataset.judgements])
    query_vectors = bi_encoder.encode(queries)
    cosines = np.zeros(len(dataset.judgements), dtype=np.float32)
    for start in range(0, len(ids), PRODUCTS_PER_BLOCK):
        block = ids[start : start + PRODUCTS_PER_BLOCK]
        vectors = bi_encoder.encode_products([dataset.products[product_id] for product_id in block])
        rows = np.flatnonzero((start <= product_of) & (product_of < start + len(block)))
        cosines[rows] = np.einsum("ij,ij->i", query_vectors[query_of[rows]], vectors[product_of[rows] - start])
    targets = [judgement.target for judgement in dataset.judgements]
    fitted = fit_platt(cosines, targets)
    if note := fit_note(fitted, targets):
        log.warning("scale of the teacher's cosine: %s", note)
    return fitted


def _distinct(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The distinct texts in order of first appearance, and for each text (n,) its place among them."""
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return list(place), np.array([place[text] for text in texts], dtype=np.int64)


def _shared(progress: Progress, members: int) -> Progress:
    """Counts a pair as done in equal parts, one a member, and reports whole pairs."""
    scored = 0

    def advance(pairs: int) -> None:
        nonlocal scored
        before, scored = scored // members, scored + pairs
        progress(scored // members - before)

    return advance
