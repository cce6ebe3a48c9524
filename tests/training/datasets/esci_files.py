"""ESCI files of our own in the published layout, as pandas writes them: int64 flags, strings, nulls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.datasets.esci import EXAMPLES, PRODUCTS

EXAMPLE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("query", "product_id", "product_locale", "esci_label", "split")),
        *((name, pa.int64()) for name in ("example_id", "query_id", "small_version", "large_version")),
    ]
)
PRODUCT_COLUMNS = ("product_id", "product_title", "product_description", "product_bullet_point", "product_brand")
PRODUCT_SCHEMA = pa.schema([(name, pa.string()) for name in (*PRODUCT_COLUMNS, "product_color", "product_locale")])


def example(number: int, query: str | None, product_id: str, label: str, split: str = "train", **other: Any) -> Any:
    flags = {"product_locale": "us", "small_version": 1, "large_version": 1, **other}
    row = {"example_id": number, "query": query, "query_id": number, "product_id": product_id, "esci_label": label}
    return {**row, "split": split, **flags}


def product(product_id: str, title: str | None, locale: str = "us", **other: Any) -> Any:
    return {"product_id": product_id, "product_title": title, "product_locale": locale, **other}


EXAMPLES_MADE = [
    example(0, "steel kettle", "K1", "E"),
    example(1, "steel kettle", "T1", "S"),
    example(2, "steel kettle", "C1", "C"),
    example(3, "red rug", "T1", "I", "test"),
    example(4, "red rug", "R1", "E", "test"),
    example(5, "rugs red", "R1", "E"),
    example(6, "cheap cup", "C1", "E", small_version=0),
    example(7, "tetera", "K1", "S", product_locale="es"),
    example(8, "tetera roja", "R1", "I", "test", product_locale="es"),
]
PRODUCTS_MADE = [
    product(
        "K1",
        " Kettle one ",
        product_description="<p>Boils &amp; pours.<br>2 l</p>",
        product_bullet_point="Fast\nQuiet",
        product_brand="Acme",
        product_color="Steel",
    ),
    product("K1", "Hervidor uno", "es"),
    product("T1", "Teapot", product_bullet_point="Glass"),
    product("C1", "Cup", product_brand="  ", product_color=""),
    product("R1", "Rug"),
    product("R1", "Alfombra", "es"),
    product("U1", "Nobody judged this"),
]


def write_esci(folder: Path, examples: list[Any] = EXAMPLES_MADE, products: list[Any] = PRODUCTS_MADE) -> Path:
    for name, rows, schema in ((EXAMPLES, examples, EXAMPLE_SCHEMA), (PRODUCTS, products, PRODUCT_SCHEMA)):
        pq.write_table(pa.Table.from_pylist(rows, schema), folder / name)
    return folder
