"""A tiny random cross-encoder and a pool of a few words, so that training code runs in milliseconds."""

from __future__ import annotations

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from training.batches import Batch, PairGroup, collate
from training.pool import Pool


def tiny_cross_encoder(layers: int = 2, vocabulary: int = 30522, seed: int = 0) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForSequenceClassification(config)
    model.train(False)
    return model


def random_batches(count: int, seed: int = 0) -> list[Batch]:
    """Batches of four groups of three pairs with random tokens and targets."""
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(count):
        groups = []
        for _ in range(4):
            pairs = [
                EncodedPair((101, *map(int, rng.integers(1000, 2000, 6)), 102), (0,) * 4 + (1,) * 4) for _ in "abc"
            ]
            groups.append(PairGroup(pairs, rng.normal(size=3).astype(np.float32)))
        batches.append(collate(groups, 0))
    return batches


def tiny_pool(queries: int = 6, per_query: int = 5) -> Pool:
    words = ["red shoe", "blue lamp", "oak table", "usb cable", "phone case", "dog bed", "green tea"]
    products = [Product(title=f"{word} {number}", brand="acme") for word in words for number in range(3)]
    rng = np.random.default_rng(0)
    query_of = np.repeat(np.arange(queries), per_query)
    return Pool(
        [words[number % len(words)] for number in range(queries)],
        products,
        query_of,
        rng.integers(0, len(products), size=len(query_of)),
        rng.random(len(query_of)).astype(np.float32),
    )
