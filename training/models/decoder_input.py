"""The one rule from (query, product) to the token ids that a decoder language model reads.

    query: usb c cable
    title: Charger 65 W
    brand: Acme
    relevance:

Decoders get a rendering of their own. They were pretrained on running text and have neither [SEP] nor token
types, so fields are told apart by their names, as a person would write them. Their tokenizers cut words
otherwise, so a template's budgets, which count word pieces, do not apply: of the template they take the
fields and their order, and one budget of tokens holds for the whole pair. And as the score is read at the
last token, every text ends in the same words: the state that is read is always the state after them, and
not the one after whatever word a description was cut at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

from relevance.pair_encoding import EncodedPair
from relevance.product import Product, field_text
from relevance.template import Template

ENDING = "\nrelevance:"


class DecoderInput:
    """Renders pairs as text with field names, cut to `max_tokens`, the query last of all."""

    def __init__(self, tokenizer: Tokenizer, template: Template, max_tokens: int, pad_id: int) -> None:
        # The rule does its own cutting and padding; settings saved in tokenizer.json would hide cuts.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._template = template
        self.pad_id = pad_id
        self._start = _opening_tokens(tokenizer)
        (self._end,) = self._tokenize([ENDING])
        self._room = max_tokens - len(self._start) - len(self._end)

    def encode(self, queries: Sequence[str], products: Sequence[Product]) -> list[EncodedPair]:
        """Token ids of each row; at most `max_tokens`, and what was cut stands in the receipt."""
        distinct = list(dict.fromkeys(queries))
        heads = self._tokenize(f"query: {query}" for query in distinct)
        head_of = dict(zip(distinct, heads, strict=True))
        names, texts = [], []
        for product in products:
            fields = [budget.field for budget in self._template.fields if field_text(product, budget.field)]
            names.append(fields)
            texts += [f"\n{name.replace('_', ' ')}: {field_text(product, name)}" for name in fields]
        lines = iter(self._tokenize(texts))
        return [
            self._pair(head_of[query], [(name, next(lines)) for name in fields])
            for query, fields in zip(queries, names, strict=True)
        ]

    def _pair(self, head: list[int], lines: Sequence[tuple[str, list[int]]]) -> EncodedPair:
        # A query is cut only where it would leave the product less than half of the room.
        query = head[: max(self._room // 2, self._room - sum(len(ids) for _, ids in lines))]
        kept = shortened([len(ids) for _, ids in lines], self._room - len(query))
        ids = (*self._start, *query, *(i for (_, line), n in zip(lines, kept, strict=True) for i in line[:n]))
        cuts = [("query", len(head) - len(query))]
        cuts += [(name, len(line) - n) for (name, line), n in zip(lines, kept, strict=True)]
        ids = (*ids, *self._end)
        return EncodedPair(ids, (0,) * len(ids), tuple((name, cut) for name, cut in cuts if cut))

    def _tokenize(self, texts: Iterable[str]) -> list[list[int]]:
        # add_special_tokens=False: the rule places them itself, once per pair.
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]


def shortened(lengths: Sequence[int], budget: int) -> list[int]:
    """Lengths cut to sum to no more than `budget`: the longest first, down to one common length.

    So a long description gives way before a title does, whatever their order.
    """
    kept = list(lengths)
    left, remaining = budget, len(lengths)
    for index in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        kept[index] = min(lengths[index], max(0, left) // remaining)
        left -= kept[index]
        remaining -= 1
    return kept


def _opening_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """What the tokenizer itself puts before a text: Llama and Mistral a token of beginning, Qwen nothing."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    dressed = tokenizer.encode("a").ids
    starts = (at for at in range(len(dressed)) if dressed[at : at + len(plain)] == plain)
    return tuple(dressed[: next(starts, 0)])
