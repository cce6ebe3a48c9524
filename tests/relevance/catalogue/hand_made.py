"""Small catalogues for tests: a product's id stands for its text, and its record follows from its key."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from relevance.catalogue import CatalogueWriter
from relevance.product_record import ProductRecord, RecordKeys

ENCODER = "encoder-1"
WIDTH = 8


def key_of(text: str, encoder_version: str = ENCODER) -> bytes:
    return RecordKeys(encoder_version).key(list(text.encode()))


def record_of(key: bytes, width: int = WIDTH) -> ProductRecord:
    random = np.random.default_rng(list(key))
    length = int(random.integers(2, 12))
    ids = random.integers(0, 30_000, length, dtype=np.uint32)
    return ProductRecord(ids, random.integers(-127, 128, (length, width), dtype=np.int8), bool(random.integers(2)))


def same(one: ProductRecord | None, other: ProductRecord | None) -> bool:
    if one is None or other is None:
        return one is other
    arrays = np.array_equal(one.token_ids, other.token_ids) and np.array_equal(one.latents, other.latents)
    return arrays and one.truncated == other.truncated


def write(
    directory: Path, texts: Iterable[tuple[str, str]], encoder_version: str = ENCODER, products_per_shard: int = 10
) -> Path:
    """A finished catalogue of (id, text), in shards of ten products."""
    writer = CatalogueWriter(directory, encoder_version, WIDTH, products_per_shard=products_per_shard)
    for product_id, text in texts:
        key = key_of(text, encoder_version)
        writer.add([product_id], [key], [record_of(key)])
    writer.finish()
    return directory


def write_numbered(directory: Path, count: int, encoder_version: str = ENCODER) -> Path:
    """A finished catalogue of products `p0` … with the texts `text 0` …."""
    return write(directory, ((f"p{n}", f"text {n}") for n in range(count)), encoder_version)
