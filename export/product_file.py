"""A shop's products from Parquet or JSON lines, in blocks: the file may be larger than memory."""

from __future__ import annotations

import logging
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from pydantic_core import from_json

from export.errors import ProductFileError
from export.repeated_ids import SeenProducts
from relevance.product import Product
from relevance.product_row import KNOWN, product_fields
from relevance.row_values import RowError

log = logging.getLogger("aisle.export")

FIELDS: Final = tuple(name for name in Product.model_fields if name != "prior")
"""A catalogue has no use for a prior, which belongs to a request."""

ROWS_READ: Final = 1024
JSON_LINES: Final = (".jsonl", ".ndjson")


class ProductFile:
    """`.parquet`, or `.jsonl` and `.ndjson` with one object a line; other columns than a product's are left out.

    ProductFileError, naming the file and the row, for a file that cannot be read and a row that is no product.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in (".parquet", *JSON_LINES):
            raise ProductFileError(f"{path} must be .parquet, {' or '.join(JSON_LINES)}")
        if not path.is_file():
            raise ProductFileError(f"{path} is not there; check the path")
        self.path: Final = path
        self._is_parquet = path.suffix == ".parquet"
        self._unit: Final = "row" if self._is_parquet else "line"
        self._has_told = False

    def check(self) -> int:
        """Read every row once, in bounded memory, and count the products; whatever is wrong with any is said now.

        Rows without a title are left out, as no model can read them; the log counts them, and those that repeat a
        product word for word. ProductFileError for a bad row, and for an id that two rows give different contents.
        """
        seen, rows, titled = SeenProducts(), 0, 0
        products = self._products()
        while block := list(islice(products, ROWS_READ)):
            kept = [(number, product) for number, product in block if product is not None]
            seen.add([product for _, product in kept], [number for number, _ in kept])
            rows, titled = rows + len(block), titled + len(kept)
        self._tell_repeated(seen)
        if rows > titled:
            log.warning("%s: products without a title are left out: %d", self.path, rows - titled)
        if not titled:
            raise ProductFileError(f"{self.path} has no products" + (" with a title" if rows else ""))
        return titled

    def blocks(self, size: int, skip: int = 0) -> Iterator[list[Product]]:
        """Lists of `size` products, the last one shorter, without the first `skip`; each has an id and a title."""
        titled = (product for _, product in self._products() if product is not None)
        products = islice(titled, skip, None)
        while block := list(islice(products, size)):
            yield block

    def _rows(self) -> Iterator[tuple[int, Any]]:
        return self._parquet_rows() if self._is_parquet else self._json_rows()

    def _parquet(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (OSError, pa.ArrowException) as error:
            raise ProductFileError(f"{self.path} cannot be read as Parquet ({error})") from error

    def _parquet_rows(self) -> Iterator[tuple[int, Any]]:
        with self._parquet() as parquet:
            there = parquet.schema_arrow.names
            if missing := [name for name in ("id", "title") if name not in there]:
                raise ProductFileError(
                    f"{self.path} has no column {' and no '.join(missing)}, only: {', '.join(there)}"
                )
            self._tell_unused(there)
            columns = [name for name in FIELDS if name in there]
            try:
                batches = parquet.iter_batches(ROWS_READ, columns=columns)
                rows = chain.from_iterable(batch.to_pylist() for batch in batches)
                yield from enumerate(rows, 1)
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                raise ProductFileError(f"{self.path} is damaged ({error})") from error

    def _json_rows(self) -> Iterator[tuple[int, Any]]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.isspace():
                    yield number, line.removeprefix(BOM_UTF8) if number == 1 else line

    def _products(self) -> Iterator[tuple[int, Product | None]]:
        """Each row's number, or that of its line, and its product."""
        return ((number, self._product(row, f"{self.path}, {self._unit} {number}")) for number, row in self._rows())

    def _product(self, row: Any, where: str) -> Product | None:
        """The row's product; None for one without a title."""
        row = _parsed(row, where) if isinstance(row, bytes) else row
        self._tell_unused(row)
        try:
            fields = product_fields(row)
            fields.pop("prior", None)
            return Product.model_validate(fields) if "title" in fields else None
        except RowError as error:
            raise ProductFileError(f"{where}: {error}") from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise ProductFileError(f"{where}: {field}: {first['msg']}") from error

    def _tell_repeated(self, seen: SeenProducts) -> None:
        repeated, differing = seen.repeated()
        if differing is not None:
            first, second = differing
            raise ProductFileError(
                f"{self.path}, {self._unit} {second}: the product id of {self._unit} {first} again, with different "
                "content; keep one of them"
            )
        if repeated:
            log.warning("%s: rows that repeat a product word for word: %d", self.path, repeated)

    def _tell_unused(self, names: Iterable[str]) -> None:
        if self._has_told or KNOWN.issuperset(names):
            return
        self._has_told = True
        unused = ", ".join(sorted(set(names) - KNOWN))
        log.warning("%s: no field of a product and left out: %s", self.path, unused)


def _parsed(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        fields = from_json(line)  # twice as fast as json's, while the encoder takes both cores
    except ValueError as error:
        raise ProductFileError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ProductFileError(f"{where}: must be a JSON object")
    return fields
