"""Further tasks of a cross-encoder while it learns: to tell how much of the query its product repeats.

What a product repeats is known without a teacher, so these targets hold no one's mistakes. The heads are thrown away
when training is over: what is saved and served is the student alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from relevance.product import Product, ProductField, attribute_text, field_text
from relevance.template import Template
from training.optimise.batches import Batch
from training.optimise.losses import soft_binary_cross_entropy
from training.optimise.scorers import Scorer, cls_vectors
from training.optimise.trainer import LossFunction

TASKS = 2
"""Lexical overlap and attribute match, in this order."""

_TEXTS: frozenset[ProductField] = frozenset({"title", "description"})
"""Fields that name no property by themselves."""
_WORD = re.compile(r"\w+")


class RepeatedWords:
    """Targets of pairs by the words of the fields that a student reads, but for the description."""

    def __init__(self, template: Template) -> None:
        read = [budget.field for budget in template.fields if budget.field != "description"]
        self._fields = (read, [field for field in read if field not in _TEXTS])

    def targets(self, query: str, products: Sequence[Product]) -> npt.NDArray[np.float32]:
        """Shares (len(products), TASKS) of the query's words: in any field, and in one that names a property."""
        asked = _words(query)
        shares = [
            [len(asked & _words_of(product, fields)) / max(1, len(asked)) for fields in self._fields]
            for product in products
        ]
        return np.array(shares, dtype=np.float32).reshape(len(products), TASKS)


class AuxiliaryHeads(Scorer):
    """A student with a head for each task beside its own: outputs (n, 1 + TASKS), the relevance logit first."""

    def __init__(self, student: BertForSequenceClassification) -> None:
        super().__init__(student)
        # What comes after draws the same dropout with heads and without.
        with torch.random.fork_rng():
            self.heads = nn.Linear(student.config.hidden_size, TASKS).to(student.device)

    def forward(self, batch: Batch) -> Tensor:
        dropped = self.model.dropout(cls_vectors(self.model, batch))
        return torch.cat([self.model.classifier(dropped), self.heads(dropped)], dim=1)


def with_auxiliary_tasks(loss: LossFunction, weights: tuple[float, float]) -> LossFunction:
    """`loss` of the relevance logits that `AuxiliaryHeads` gives, and each task's soft-target BCE with its weight."""

    def joined(outputs: Tensor, batch: Batch) -> Tensor:
        total = loss(outputs[:, 0], batch)
        for task, weight in enumerate(weights):
            if weight:
                told, target = outputs[:, 1 + task], batch.auxiliary[:, task]
                total = total + weight * soft_binary_cross_entropy(told, target, batch.pairs)
        return total

    return joined


def _words_of(product: Product, fields: Sequence[ProductField]) -> frozenset[str]:
    texts = (_values(product) if field == "attributes" else field_text(product, field) for field in fields)
    return _words(" ".join(texts))


def _values(product: Product) -> str:
    """Without the attributes' names, which are the shop's words and no property."""
    return " ".join(attribute_text(value) for value in product.attributes.values())


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
