"""A shop's products from Parquet or JSON lines, in blocks: the file may be larger than memory."""

from __future__ import annotations

import logging
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from pydantic_core import from_json

from export.errors import ProductFileError
from relevance.product import Product

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
        self._has_told = False

    def count(self) -> int:
        """Products in the file; reads all of it where it does not tell."""
        if self._is_parquet:
            with self._parquet() as parquet:
                return int(parquet.metadata.num_rows)
        with self.path.open("rb") as file:
            return sum(not line.isspace() for line in file)

    def blocks(self, size: int, skip: int = 0) -> Iterator[list[Product]]:
        """Lists of `size` products, the last one shorter, without the first `skip`; each has an id and a title."""
        products = (self._product(row, place) for place, row in islice(self._rows(), skip, None))
        while block := list(islice(products, size)):
            yield block

    def _rows(self) -> Iterator[tuple[str, Any]]:
        return self._parquet_rows() if self._is_parquet else self._json_rows()

    def _parquet(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (OSError, pa.ArrowException) as error:
            raise ProductFileError(f"{self.path} cannot be read as Parquet ({error})") from error

    def _parquet_rows(self) -> Iterator[tuple[str, Any]]:
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
                yield from ((f"row {number}", row) for number, row in enumerate(rows, 1))
            except (OSError, pa.ArrowException) as error:
                raise ProductFileError(f"{self.path} is damaged ({error})") from error

    def _json_rows(self) -> Iterator[tuple[str, Any]]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.isspace():
                    yield f"line {number}", line.removeprefix(BOM_UTF8) if number == 1 else line

    def _product(self, row: Any, place: str) -> Product:
        where = f"{self.path}, {place}"
        fields = _parsed(row, where) if isinstance(row, bytes) else row
        self._tell_unused(fields)
        given = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
        if "attributes" in given:
            given["attributes"] = _attributes(given["attributes"])
        # Shops number their products; a request names them as text.
        if isinstance(given.get("id"), int) and not isinstance(given["id"], bool):
            given["id"] = str(given["id"])
        if not given.get("id"):
            raise ProductFileError(f"{where}: id is missing; without it no request can name the product")
        try:
            return Product.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise ProductFileError(f"{where}: {field}: {first['msg']}") from error

    def _tell_unused(self, names: Any) -> None:
        if self._has_told:
            return
        if unused := sorted(set(names) - {*FIELDS, "prior"}):
            self._has_told = True
            log.warning("%s: no field of a product and left out: %s", self.path, ", ".join(unused))


def _parsed(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        fields = from_json(line)  # twice as fast as json's, while the encoder takes both cores
    except ValueError as error:
        raise ProductFileError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ProductFileError(f"{where}: must be a JSON object")
    return fields


def _attributes(value: Any) -> Any:
    """Attributes as a mapping without nulls, from a struct, a map, or JSON text; pydantic judges what is none."""
    if isinstance(value, str):
        try:
            value = from_json(value)
        except ValueError:
            return value
    if value is None:
        return {}
    if isinstance(value, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        value = dict(value)
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if item is not None}
    return value
