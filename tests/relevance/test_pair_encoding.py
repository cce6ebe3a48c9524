from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from relevance.pair_encoding import (
    EncodedPair,
    PaddedBatch,
    PairEncoder,
    TokenizerMismatchError,
    pad_pairs,
    write_pairs,
)
from relevance.product import Product
from relevance.template import FieldBudget, Template

from .conftest import bert_tokenizer

TOKENIZER = bert_tokenizer()
WIDE = Template(
    query_max_tokens=160,
    fields=(FieldBudget(field="title", max_tokens=160), FieldBudget(field="brand", max_tokens=160)),
)
NARROW = Template(
    query_max_tokens=4,
    fields=(FieldBudget(field="title", max_tokens=5), FieldBudget(field="brand", max_tokens=2)),
)
# Any text that UTF-8 can carry: control characters, combining marks, right-to-left, emoji.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def encode(template: Template, query: str, product: Product) -> EncodedPair:
    encoder = PairEncoder(TOKENIZER, template)
    return encoder.pair(encoder.encode_queries([query])[0], encoder.encode_products([product])[0])


@given(query=texts, title=texts.filter(bool), brand=texts)
def test_untruncated_pairs_equal_the_tokenizers_own(query: str, title: str, brand: str) -> None:
    pair = encode(WIDE, query, Product(title=title, brand=brand))
    own = TOKENIZER.encode(query, f"{title} {brand}")
    assert list(pair.ids) == own.ids
    assert list(pair.type_ids) == own.type_ids
    assert pair.dropped == ()


@given(query=texts, title=texts.filter(bool), brand=texts)
def test_every_budget_holds_and_the_receipt_adds_up(query: str, title: str, brand: str) -> None:
    product = Product(title=title, brand=brand)
    cut, whole = encode(NARROW, query, product), encode(WIDE, query, product)
    assert len(cut) <= NARROW.max_length
    assert len(cut.ids) == len(cut.type_ids)
    assert len(cut) + sum(count for _, count in cut.dropped) == len(whole)


@given(query=texts, title=texts.filter(bool))
def test_a_long_product_never_cuts_the_query(query: str, title: str) -> None:
    short, long = (encode(NARROW, query, Product(title=t)) for t in (title, title + " table" * 50))
    assert short.ids[: short.type_ids.count(0)] == long.ids[: long.type_ids.count(0)]


def test_the_receipt_names_what_was_cut() -> None:
    pair = encode(
        NARROW, "red running trail shoes size 10", Product(title="oak side table lamp shade phone", brand="usb")
    )
    assert pair.dropped == (("query", 2), ("title", 1))


def test_fields_are_read_in_the_templates_order() -> None:
    encoder = PairEncoder(TOKENIZER, WIDE)
    product = encoder.encode_products([Product(title="oak table", brand="lamp")])[0]
    assert [TOKENIZER.id_to_token(token) for token in product.ids] == ["oak", "table", "lamp"]


def test_a_saved_truncation_setting_does_not_cut_in_secret() -> None:
    tokenizer = bert_tokenizer()
    tokenizer.enable_truncation(2)
    assert len(PairEncoder(tokenizer, WIDE).encode_queries(["red running trail shoes"])[0].ids) == 4


def test_batches_are_padded_on_the_right() -> None:
    pairs = [EncodedPair((2, 7, 3, 8, 3), (0, 0, 0, 1, 1)), EncodedPair((2, 3, 3), (0, 0, 1))]
    batch = pad_pairs(pairs, pad_id=9)
    assert batch.input_ids.tolist() == [[2, 7, 3, 8, 3], [2, 3, 3, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]]
    assert {array.dtype for array in (batch.input_ids, batch.attention_mask, batch.token_type_ids)} == {
        np.dtype(np.int64)
    }


def test_pairs_are_written_over_whatever_a_larger_batch_held_and_no_row_is_wholly_masked() -> None:
    batch = PaddedBatch(*(np.full((3, 4), 7, dtype=np.int64) for _ in range(3)))
    write_pairs([EncodedPair((2, 5, 3), (0, 0, 1))], 9, batch)
    assert batch.input_ids.tolist() == [[2, 5, 3, 9], [9, 9, 9, 9], [9, 9, 9, 9]]
    assert batch.token_type_ids.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]


def test_a_tokenizer_without_bert_tokens_is_refused() -> None:
    with pytest.raises(TokenizerMismatchError, match=r"\[CLS\]"):
        PairEncoder(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), WIDE)
