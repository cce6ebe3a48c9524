"""Tiny random language models and encoders, saved with a tiny tokenizer as a backbone's directory is."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    DebertaV2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    ModernBertConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from relevance.product import Product
from training.datasets.schema import Dataset, Judgement

KINDS = ("shoe", "lamp", "table", "cable")
COLOURS = ("red", "blue", "oak", "usb")
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SPREAD = 0.2
"""Of the random weights: at this width the usual 0.02 gives attention that looks at nothing in particular."""
DECODERS: dict[str, type[PretrainedConfig]] = {
    "llama": LlamaConfig,
    "mistral": MistralConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
    # Its positions are absolute, so that it notices padding which the others' relative ones forgive.
    "gpt2": GPT2Config,
}
ENCODERS: dict[str, type[PretrainedConfig]] = {
    "bert": BertConfig,
    "deberta": DebertaV2Config,
    "modernbert": ModernBertConfig,
}


def tiny_dataset() -> Dataset:
    """Every kind as a query against every product: relevant where the product is of that kind."""
    products = {
        f"{colour} {kind}": Product(id=f"{colour} {kind}", title=f"{colour} {kind}", description=f"a {kind} for home")
        for colour in COLOURS
        for kind in KINDS
    }
    judgements = [Judgement(kind, name, 1.0 if name.endswith(kind) else 0.0) for kind in KINDS for name in products]
    return Dataset("tiny", products, judgements)


def decoder_backbone(folder: Path, kind: str = "llama") -> Path:
    """A causal language model's directory. Its tokenizer has an end token and, as Llama's, none for padding."""
    tokenizer = _trained(Tokenizer(models.BPE(unk_token="<unk>")), ["<unk>", "<s>", "</s>"], byte_level=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    extra = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512}
    config = DECODERS[kind](
        vocab_size=fast.vocab_size, bos_token_id=1, eos_token_id=2, **SHAPE, **extra, initializer_range=SPREAD
    )
    return _saved(folder / kind, config, fast)


def encoder_backbone(folder: Path, kind: str = "bert", special: tuple[str, ...] = ("[CLS]", "[SEP]", "[PAD]")) -> Path:
    """An encoder's directory; `special` are the tokenizer's special tokens."""
    tokenizer = _trained(Tokenizer(models.WordPiece(unk_token="[UNK]")), ["[UNK]", *special], byte_level=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")
    ids = {"pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    config = ENCODERS[kind](
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=128, **ids, **SHAPE, initializer_range=SPREAD
    )
    return _saved(folder / kind, config, fast)


def _trained(tokenizer: Tokenizer, special: list[str], *, byte_level: bool) -> Tokenizer:
    texts = [f"query: {word}\ntitle: {word} description: a for home relevance:" for word in (*KINDS, *COLOURS)]
    if byte_level:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=340, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _saved(directory: Path, config: PretrainedConfig, tokenizer: PreTrainedTokenizerFast) -> Path:
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
