"""A file of a few numbered products, and its catalogue in shards of one block."""

from __future__ import annotations

import json
from pathlib import Path

from export.catalogue_build import PRODUCTS_PER_BLOCK, build_catalogue
from export.product_file import ProductFile
from tests.export.fake_encoder import FakeEncoder

COUNT = 3 * PRODUCTS_PER_BLOCK + 7


def write_products(path: Path, count: int = COUNT) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            file.write(json.dumps({"id": f"p{n}", "title": f"product number {n}"}) + "\n")
    return path


def content_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def build(products: Path, directory: Path, encoder: FakeEncoder) -> None:
    build_catalogue(ProductFile(products), directory, encoder, products_per_shard=PRODUCTS_PER_BLOCK)
