"""A shop's products from Parquet or JSON lines, in blocks: the file may be larger than memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from export.errors import ProductFileError
from export.parquet_rows import ColumnError, column_rows
from export.repeated_ids import SeenProducts
from relevance.product import Product
from relevance.product_row import KNOWN, product_fields, read_product
from relevance.row_values import RowError, names_shown
from relevance.text_file import JSON_LINES, TextFileError, cannot_be_read, is_gzip_name, open_text

log = logging.getLogger("aisle.export")

ROWS_READ: Final = 1024


class ProductFile:
    """`.parquet`, or `.jsonl` and `.ndjson`, also `.gz`, of an object a line; only a product's columns are read.

    ProductFileError, naming the file and the row, for a file that cannot be read and a row that is no product.
    """

    def __init__(self, path: Path) -> None:
        kind = (path.with_suffix("") if is_gzip_name(path) else path).suffix.lower()
        self._is_parquet = path.suffix.lower() == ".parquet"
        if not self._is_parquet and kind not in JSON_LINES:
            raise ProductFileError(f"{path} must be .parquet, {' or '.join(JSON_LINES)}, the last two also as .gz")
        _check_readable(path)
        self.path: Final = path
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
                    f"{self.path} has no column {' and no '.join(missing)}, only: {names_shown(there)}"
                )
            self._tell_unused(there)
            try:
                yield from enumerate(column_rows(parquet, KNOWN, ROWS_READ), 1)
            except ColumnError as error:
                raise ProductFileError(f"{self.path}: {error}") from error
            except (OSError, pa.ArrowException) as error:
                raise ProductFileError(f"{self.path} is damaged ({error})") from error

    def _json_rows(self) -> Iterator[tuple[int, Any]]:
        try:
            with open_text(self.path) as file:
                yield from ((number, line) for number, line in enumerate(file, 1) if not line.isspace())
        except TextFileError as error:
            raise ProductFileError(str(error)) from error

    def _products(self) -> Iterator[tuple[int, Product | None]]:
        """Each row's number, or that of its line, and its product."""
        return ((number, self._product(row, f"{self.path}, {self._unit} {number}")) for number, row in self._rows())

    def _product(self, row: Any, where: str) -> Product | None:
        """The row's product; None for one without a title."""
        row = _parsed(row, where) if isinstance(row, str) else row
        self._tell_unused(row)
        try:
            fields = product_fields(row)
            return read_product(fields) if "title" in fields else None
        except RowError as error:
            raise ProductFileError(f"{where}: {error}") from error

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
        unused = names_shown(sorted(set(names) - KNOWN))
        log.warning("%s: no field of a product and left out: %s", self.path, unused)


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise ProductFileError(f"{path} is a directory, where one file is read; put its parts together into a file")
        if not path.is_file():
            raise ProductFileError(f"{path} is not there; check the path")
        path.open("rb").close()
    except OSError as error:
        raise ProductFileError(cannot_be_read(path, error)) from error


def _parsed(line: str, where: str) -> Mapping[str, Any]:
    try:
        fields = from_json(line)  # twice as fast as json's, while the encoder takes both cores
    except ValueError as error:
        raise ProductFileError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ProductFileError(f"{where}: must be a JSON object")
    return fields
