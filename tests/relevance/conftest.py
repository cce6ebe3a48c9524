from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = {
    "colour": ["red", "blue"],
    "thing": ["shoe", "shoes", "cable", "table", "lamp", "shade", "phone", "case"],
    "other": ["running", "trail", "men", "women", "size", "10", "usb", "c", "oak", "side"],
}
PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789", "é", "ü", ".", ",", "-", "'", '"', "/", "&", "%", "(", ")"]


def bert_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer with BERT's normaliser, pre-tokeniser and pair template, over a tiny vocabulary."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [word for kind in WORDS.values() for word in kind]
    tokens = [*specials, *words, *PIECES, *(f"##{piece}" for piece in PIECES)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return bert_tokenizer()
