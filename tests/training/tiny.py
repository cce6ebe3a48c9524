"""A tiny random cross-encoder and a pool of a few words, so that training code runs in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertPooler

from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from training.checks import general_check
from training.datasets.schema import Dataset
from training.optimise.batches import Batch, PairGroup, collate
from training.pool import Pool
from training.pool.files import PairColumns, write_pairs, write_texts
from training.pool.pairs import manifest_of
from training.run_directory import Stage


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


class DoublePooler(BertPooler):
    """Takes fp64 up again behind the encoder, whose output the trainer casts to fp32."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        pooled: Tensor = super().forward(hidden_states.double())
        return pooled


def double_cross_encoder(seed: int = 0) -> BertForSequenceClassification:
    """In fp64, which mixed precision leaves alone: what should be equal is so to many digits."""
    model = tiny_cross_encoder(vocabulary=2000, seed=seed)
    model.bert.pooler = DoublePooler(model.config)
    return model.double()


def random_batches(count: int, seed: int = 0, sizes: Sequence[int] = (3, 3, 3, 3)) -> list[Batch]:
    """Batches of groups of `sizes` pairs with random tokens and targets, every second pair judged."""
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(count):
        groups = []
        for size in sizes:
            pairs = [
                EncodedPair((101, *map(int, rng.integers(1000, 2000, 6)), 102), (0,) * 4 + (1,) * 4)
                for _ in range(size)
            ]
            targets = rng.normal(size=size).astype(np.float32)
            human = np.where(np.arange(size) % 2, 0.75, np.nan).astype(np.float32)
            groups.append(PairGroup(pairs, targets, human))
        batches.append(collate(groups, 0))
    return batches


def few_general_queries() -> Dataset:
    """Three of the general check's, where scoring all of them would take longer than all the rest."""
    whole = general_check()
    return Dataset(whole.name, whole.products, whole.judgements[:30])


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


def save_pool(pool: Pool, stage: Stage) -> None:
    """As a draw leaves it: the pool's files, then the stage's manifest."""
    facts = pool.facts
    queries = {"query": pool.queries, "origin": facts.origin, "misspelt": facts.misspelt, "overlap": facts.overlap}
    write_texts(stage.directory, pool.products, queries)
    columns = PairColumns(pool.query_of, pool.product_of, pool.cosine, pool.source)
    write_pairs(stage.directory, [columns], len(pool))
    stage.finish(manifest_of(pool))
