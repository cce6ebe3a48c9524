"""From a row of anybody's product table to the fields of Product, without losing what can be said as text.

Null, blank text and NaN (a table tool's empty cell) are an absent value. A number where text is due is its text, a list
its entries joined by commas. Nested attributes become flat ones: {"size": {"width": 3}} is "size width: 3". What fits
none of this is left as it is, for Product to refuse with the field's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from relevance.product import PRODUCT_FIELDS, Product
from training.datasets.rows import is_absent, require_text
from training.errors import DataError

KNOWN = frozenset(Product.model_fields)
TEXTS = frozenset(PRODUCT_FIELDS) - {"attributes"}
Scalar = str | bool | int | float


def product_fields(row: Mapping[str, Any], path: Path, line: int) -> dict[str, Any]:
    """The fields that Product knows, `id` as text; DataError names file and line of what cannot be one."""
    known = {key: value for key, value in row.items() if key in KNOWN and not is_absent(value)}
    known["id"] = require_text(row, "id", path, line)
    for name in TEXTS & known.keys():
        known[name] = _text(known[name])
    if "attributes" in known:
        known["attributes"] = _attributes(known["attributes"], f"{path}:{line}")
    return known


def _text(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(entry, Scalar) for entry in value):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _attributes(value: Any, where: str) -> dict[str, Any]:
    """Flat attributes; Parquet's map type comes as a list of pairs."""
    if isinstance(value, list) and all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in value):
        value = {str(name): entry for name, entry in value}
    if not isinstance(value, dict):
        raise DataError(f"{where}: attributes must be an object of names and values, got {value!r}")
    flat: dict[str, Any] = {}
    for name, entry in _flat(value, ""):
        if name in flat:
            raise DataError(f"{where}: attributes name {name!r} twice once nested ones are made flat")
        flat[name] = entry
    return flat


def _flat(attributes: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in attributes.items():
        name = f"{prefix}{key}".strip()
        if isinstance(value, dict):
            yield from _flat(value, f"{name} ")
        elif isinstance(value, list):
            present = [entry for entry in value if not is_absent(entry)]
            if present:
                yield name, _text(present)
        elif not is_absent(value):
            yield name, value
