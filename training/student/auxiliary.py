"""Further tasks of a cross-encoder while it learns: to tell how much of the query its product repeats.

What a product repeats is known without a teacher, so these targets hold no one's mistakes. The heads are thrown away
when training is over: what is saved and served is the student alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from relevance.product import PRODUCT_FIELDS, Product, ProductField, field_text
from training.optimise.batches import Batch
from training.optimise.losses import soft_binary_cross_entropy
from training.optimise.scorers import Scorer, cls_vectors

TASKS = 2
"""Lexical overlap and attribute match, in this order."""

_NAMING: tuple[ProductField, ...] = ("brand", "product_type", "color", "gender", "attributes")
_SHORT: tuple[ProductField, ...] = tuple(field for field in PRODUCT_FIELDS if field != "description")
_WORD = re.compile(r"\w+")

Loss = Callable[[Tensor, Batch], Tensor]


class RepeatedWords:
    """Targets of the pairs of `products`: their words are looked up once."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._words = [(_words_of(product, _SHORT), _words_of(product, _NAMING)) for product in products]

    def targets(self, query: str, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Shares (len(rows), TASKS) of the query's words: of those in any short field of the product, and of those in a
        field that names a property.
        """
        asked = _words(query)
        shares = [[len(asked & words) / max(1, len(asked)) for words in self._words[row]] for row in rows]
        return np.array(shares, dtype=np.float32).reshape(len(rows), TASKS)


class AuxiliaryHeads(Scorer):
    """A student with a head for each task beside its own: logits (n, 1 + TASKS), relevance first."""

    def __init__(self, student: BertForSequenceClassification) -> None:
        super().__init__(student)
        self.heads = nn.Linear(student.config.hidden_size, TASKS).to(student.device)

    def forward(self, batch: Batch) -> Tensor:
        pooled = cls_vectors(self.model, batch)
        dropped = self.model.dropout(pooled)
        logits: Tensor = self.model.classifier(dropped)
        return nn.functional.pad(logits, (0, TASKS)) + nn.functional.pad(self.heads(dropped), (1, 0))


def with_auxiliary_tasks(loss: Loss, weights: tuple[float, float]) -> Loss:
    """`loss` of the relevance logits, and each task's soft-target BCE with its weight."""

    def joined(logits: Tensor, batch: Batch) -> Tensor:
        total = loss(logits[:, 0], batch)
        for task, weight in enumerate(weights):
            if weight:
                told, target = logits[:, 1 + task], batch.auxiliary[:, task]
                total = total + weight * soft_binary_cross_entropy(told, target, batch.pairs)
        return total

    return joined


def _words_of(product: Product, fields: Sequence[ProductField]) -> frozenset[str]:
    return _words(" ".join(field_text(product, field) for field in fields))


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
