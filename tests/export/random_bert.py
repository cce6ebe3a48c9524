"""A small BERT with random weights, as exported and not fused, and pairs for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from export.graph import Heads, export_fp32
from relevance.pair_encoding import EncodedPair

HEADS = Heads(4, 32)
BATCHES = ([1], [9, 4], [40, 3, 17, 64], [5] * 30)
"""Lengths of the pairs of some batches."""


def pairs_of(lengths: Sequence[int], seed: int) -> list[EncodedPair]:
    rng = np.random.default_rng(seed)
    return [EncodedPair(tuple(map(int, rng.integers(1, 500, size=n))), (0,) * n) for n in lengths]


def random_bert(folder: Path, layers: int) -> Path:
    """Its graph, in `folder`."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=500,
        hidden_size=HEADS.hidden,
        num_hidden_layers=layers,
        num_attention_heads=HEADS.count,
        intermediate_size=64,
        max_position_embeddings=64,
        # Weights large enough that attention is no plain mean and every token moves the logit.
        initializer_range=0.4,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    export_fp32(folder, folder / "raw.onnx")
    return folder / "raw.onnx"
