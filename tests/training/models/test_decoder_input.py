from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from relevance.product import Product
from relevance.template import FieldBudget, Template
from training.models.decoder_input import DecoderInput, shortened

TEMPLATE = Template(
    query_max_tokens=4,
    fields=tuple(FieldBudget(field=name, max_tokens=4) for name in ("title", "product_type", "description")),  # type: ignore[arg-type]
)
PRODUCT = Product(title="Desk lamp", product_type="lamp", description="Bright. " * 60)


def letters() -> Tokenizer:
    """One token a byte, so that tokens can be counted by eye."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, **{letter: number for number, letter in enumerate(alphabet, start=1)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def text_of(rule_input: DecoderInput, query: str, product: Product) -> str:
    (pair,) = rule_input.encode([query], [product])
    text: str = letters().decode(list(pair.ids), skip_special_tokens=False)
    return text


def test_fields_stand_under_their_names_and_the_text_ends_where_the_score_is_read() -> None:
    product = Product(title="Desk lamp", product_type="floor lamp", brand="not in the template")
    rule = DecoderInput(letters(), TEMPLATE, 100, 0)
    assert text_of(rule, "lamp", product) == "query: lamp\ntitle: Desk lamp\nproduct type: floor lamp\nrelevance:"
    # The template's budgets count word pieces of another tokenizer: four letters would be too few.
    assert rule.encode(["lamp"], [product])[0].dropped == ()


def test_the_longest_field_gives_way_and_the_receipt_says_how_much() -> None:
    rule = DecoderInput(letters(), TEMPLATE, 100, 0)
    (pair,) = rule.encode(["lamp for a desk"], [PRODUCT])
    assert len(pair) == 100
    text = text_of(rule, "lamp for a desk", PRODUCT)
    assert text.startswith("query: lamp for a desk\ntitle: Desk lamp\nproduct type: lamp\ndescription: Bright. ")
    assert text.endswith("\nrelevance:")
    whole = len(f"query: lamp for a desk\ntitle: Desk lamp\nproduct type: lamp\ndescription: {PRODUCT.description}")
    assert pair.dropped == (("description", whole + len("\nrelevance:") - 100),)


def test_an_endless_query_leaves_the_product_half_of_the_room() -> None:
    (pair,) = DecoderInput(letters(), TEMPLATE, 160, 0).encode(["lamp " * 50], [PRODUCT])
    assert len(pair) == 160
    assert dict(pair.dropped).keys() == {"query", "description"}


def test_rows_are_aligned_and_do_not_depend_on_one_another() -> None:
    rule = DecoderInput(letters(), TEMPLATE, 80, 0)
    queries, products = ["a", "b", "a"], [PRODUCT, Product(title="x"), Product(title="y")]
    together = rule.encode(queries, products)
    assert together == [rule.encode([q], [p])[0] for q, p in zip(queries, products, strict=True)]


@pytest.mark.parametrize("opens", [True, False])
def test_it_opens_as_the_tokenizer_does(opens: bool) -> None:
    tokenizer = letters()
    if opens:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A <s>", special_tokens=[("<s>", 0)])
    (pair,) = DecoderInput(tokenizer, TEMPLATE, 100, 0).encode(["a"], [Product(title="b")])
    assert (pair.ids[0] == 0) is opens
    # An end token of the tokenizer's would come after the words that the score is read at.
    assert pair.ids[-1] != 0


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 200))
def test_lengths_are_cut_from_the_longest_to_fill_the_budget(lengths: list[int], budget: int) -> None:
    kept = shortened(lengths, budget)
    assert all(0 <= short <= whole for short, whole in zip(kept, lengths, strict=True))
    assert sum(kept) == min(sum(lengths), budget)
    cut = [short for short, whole in zip(kept, lengths, strict=True) if short < whole]
    # Whatever was cut is, to one token, no shorter than anything that is left.
    assert all(short >= max(kept) - 1 for short in cut)
