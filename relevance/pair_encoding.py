"""The one rule from (query, product) to token ids, used by training, export and serving alike.

A pair is `[CLS] query [SEP] field₁ field₂ … [SEP]` with token type ids 0 up to and with the first
[SEP] and 1 after it. Each side and each field has its own token budget (`Template`); what a budget
cuts is told in the pair's receipt. Where nothing is cut, the ids equal those of the tokenizer's own
pair encoding of the query and the fields joined by single spaces.

A split student reads each side alone: `[CLS] query [SEP]` and `[CLS] field₁ field₂ … [SEP]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from relevance.product import Product, field_text
from relevance.template import Template

CLS, SEP, PAD = "[CLS]", "[SEP]", "[PAD]"
UNKNOWN_WORD = "\U00012000\U00013000"
"""A cuneiform sign and a hieroglyph, which no vocabulary has as a word."""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Token ids of one side of a pair, without special tokens.

    `dropped` is the receipt: (field name or "query", number of tokens cut), only where some were cut.
    """

    ids: tuple[int, ...]
    dropped: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """One pair ready for the model: `ids` and `type_ids` have the same length."""

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    dropped: tuple[tuple[str, int], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def cut(self) -> bool:
        """Whether a budget cut anything."""
        return bool(self.dropped)

    @property
    def cost(self) -> int:
        """Tokens that a cross-encoder computes for it: all."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Model inputs of `n` pairs padded on the right to the longest: three int64 arrays (n, length)."""

    input_ids: IntArray
    attention_mask: IntArray
    token_type_ids: IntArray


class TokenizerMismatchError(ValueError):
    """The tokenizer lacks a special token that the pair rule needs."""


class PairEncoder:
    """Applies the pair rule with one tokenizer and one template. Thread-safe: it keeps no state."""

    def __init__(self, tokenizer: Tokenizer, template: Template) -> None:
        # The rule does its own cutting and padding; settings saved in tokenizer.json would hide cuts.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.template = template
        self._tokenizer = tokenizer
        self._cls = _special_id(tokenizer, CLS)
        self._sep = _special_id(tokenizer, SEP)
        self.pad_id = _special_id(tokenizer, PAD)

    def check_the_unknown(self) -> None:
        """Read a word that no vocabulary has: a tokenizer without a token for such fails on it, with a bare Exception.

        Better at the start than at the first shopper's.
        """
        self._tokenize([UNKNOWN_WORD])

    @property
    def largest_id(self) -> int:
        """The largest token id of the vocabulary."""
        largest: int = max(self._tokenizer.get_vocab().values())
        return largest

    def encode_queries(self, queries: Sequence[str]) -> list[EncodedText]:
        """Tokenise queries, each cut to the query budget."""
        budget = self.template.query_max_tokens
        return [_cut("query", ids, budget) for ids in self._tokenize(queries)]

    def encode_products(self, products: Sequence[Product]) -> list[EncodedText]:
        """Tokenise the template's fields of every product in one call to the tokenizer."""
        slots: list[tuple[int, str, int]] = []
        texts: list[str] = []
        for row, product in enumerate(products):
            for budget in self.template.fields:
                if text := field_text(product, budget.field):
                    slots.append((row, budget.field, budget.max_tokens))
                    texts.append(text)
        parts: list[list[EncodedText]] = [[] for _ in products]
        for (row, name, max_tokens), ids in zip(slots, self._tokenize(texts), strict=True):
            parts[row].append(_cut(name, ids, max_tokens))
        return [_joined(part) for part in parts]

    def pair(self, query: EncodedText, product: EncodedText) -> EncodedPair:
        """Put a query and a product together."""
        return self.pairs(query, [product])[0]

    def pairs(self, query: EncodedText, products: Sequence[EncodedText]) -> list[EncodedPair]:
        """Put a query and each of `products` together, in their order."""
        # What all share is made once: with a cache of texts, this is most of what a request's tokenising costs.
        head, tail = self.alone(query), (self._sep,)
        of_head = (0,) * len(head)
        return [
            EncodedPair(
                ids=head + product.ids + tail,
                type_ids=of_head + (1,) * (len(product.ids) + 1),
                dropped=query.dropped + product.dropped,
            )
            for product in products
        ]

    def alone(self, text: EncodedText) -> tuple[int, ...]:
        """The ids of one side by itself."""
        return (self._cls, *text.ids, self._sep)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        # Brands, types and colours repeat: each text is read once.
        distinct = dict.fromkeys(texts)
        # add_special_tokens=False: the rule places them itself, once per pair.
        encodings = self._tokenizer.encode_batch_fast(list(distinct), add_special_tokens=False)
        ids = dict(zip(distinct, (encoding.ids for encoding in encodings), strict=True))
        return [ids[text] for text in texts]


def pad_pairs(pairs: Sequence[EncodedPair], pad_id: int) -> PaddedBatch:
    """Pad `n` pairs on the right to the longest of them; returns three int64 arrays (n, longest)."""
    shape = len(pairs), max(len(pair) for pair in pairs)
    batch = PaddedBatch(*(np.empty(shape, dtype=np.int64) for _ in range(3)))
    write_pairs(pairs, pad_id, batch)
    return batch


def write_pairs(pairs: Sequence[EncodedPair], pad_id: int, batch: PaddedBatch) -> None:
    """Write `n` pairs to the first rows of `batch`, whose arrays are at least (n, longest), and pad the rest.

    Rows beyond the pairs are padding that a graph can run: their first token is not masked.
    """
    batch.input_ids.fill(pad_id)
    batch.token_type_ids.fill(0)
    batch.attention_mask.fill(0)
    for row, pair in enumerate(pairs):
        width = len(pair)
        batch.input_ids[row, :width] = pair.ids
        batch.token_type_ids[row, :width] = pair.type_ids
        batch.attention_mask[row, :width] = 1
    _unmask_padding_rows(batch.attention_mask, len(pairs))


def pad_texts(
    texts: Sequence[Sequence[int]], pad_id: int, shape: tuple[int, int] | None = None
) -> tuple[IntArray, IntArray]:
    """Token ids and attention mask (n, longest) of `n` texts, or of a larger `shape`, padded on the right."""
    input_ids = np.full(shape or (len(texts), max(map(len, texts))), pad_id, dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    for row, ids in enumerate(texts):
        input_ids[row, : len(ids)] = ids
        attention_mask[row, : len(ids)] = 1
    _unmask_padding_rows(attention_mask, len(texts))
    return input_ids, attention_mask


def _unmask_padding_rows(attention_mask: IntArray, filled: int) -> None:
    # A row without any token may give NaN, and some kernels refuse it.
    attention_mask[filled:, 0] = 1


def _special_id(tokenizer: Tokenizer, token: str) -> int:
    token_id: int | None = tokenizer.token_to_id(token)
    if token_id is None:
        raise TokenizerMismatchError(f"the tokenizer has no {token} token; the pair rule needs a BERT-style one")
    return token_id


def _cut(name: str, ids: list[int], max_tokens: int) -> EncodedText:
    excess = len(ids) - max_tokens
    if excess <= 0:
        return EncodedText(tuple(ids))
    return EncodedText(tuple(ids[:max_tokens]), ((name, excess),))


def _joined(parts: Sequence[EncodedText]) -> EncodedText:
    if len(parts) == 1:
        return parts[0]
    ids = tuple(token for part in parts for token in part.ids)
    return EncodedText(ids, tuple(cut for part in parts for cut in part.dropped))
