"""From a row of anybody's product table to the fields of Product, without losing what can be said as text.

Training and the catalogue's build read a shop's products by it, so that both take the same rows.

Null, blank text and NaN (a table tool's empty cell) are an absent value. A number where text is due is its text, a list
its entries joined by commas. Attributes are an object, pairs, or the JSON text of one of them; nested ones become
flat: {"size": {"width": 3}} is "size width: 3". What fits none of this is left as it is, for `read_product` to refuse
with the field's name. A prior belongs to a request, so a row's is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from pydantic import ValidationError
from pydantic_core import from_json

from relevance.product import PRODUCT_FIELDS, Product
from relevance.row_values import RowError, is_absent, required_text, shown

KNOWN = frozenset(Product.model_fields) - {"prior"}
TEXTS = frozenset(PRODUCT_FIELDS) - {"attributes"}
Scalar = str | bool | int | float


def read_product(fields: Mapping[str, Any]) -> Product:
    """The product that has these fields; RowError for one that it can not have."""
    try:
        return Product.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        (field, *inner), problem = first["loc"], first["msg"]
        if field == "attributes" and inner:
            # Behind the attribute's name comes that of the one kind of value that pydantic tried first.
            field, problem = f"attributes.{inner[0]}", "must be text, a finite number, true or false"
        raise RowError(f"{field}: {problem}, got {shown(first['input'])}") from error


def product_content(product: Product) -> str:
    """All that a product holds: two rows of one id say the same if their products' contents are equal.

    Attributes count in the order given, and 1, 1.0 and true are three values: a model reads them so.
    """
    return repr(product.__dict__)


def product_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that Product knows, `id` as text, absent ones left out; RowError for what can not be one."""
    if _is_plain(row):
        return dict(row)
    known = {}
    for name in KNOWN:
        value = row.get(name)
        if not is_absent(value):
            known[name] = value if isinstance(value, str) or name not in TEXTS else _text(value)
    known["id"] = required_text(row, "id")
    if "attributes" in known:
        known["attributes"] = _attributes(known["attributes"])
    return known


def _is_plain(row: Mapping[str, Any]) -> bool:
    """Whether the row stays as it is: text of ours and flat attributes. Most are so, and a catalogue has millions."""
    key = row.get("id")
    if not (isinstance(key, str) and key == key.strip() and row.keys() <= KNOWN):
        return False
    for name, value in row.items():
        if name == "attributes":
            if not _is_flat(value):
                return False
        elif not isinstance(value, str) or not value or value.isspace():
            return False
    return True


def _text(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(entry, Scalar) for entry in value):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _attributes(given: Any) -> dict[str, Any]:
    if _is_flat(given):
        return given
    flat: dict[str, Any] = {}
    for name, entry in _flat(_pairs(given), ""):
        if name in flat:
            raise RowError(f"attributes name {shown(name)} twice, nested ones made flat; keep one of them")
        flat[name] = entry
    return flat


def _pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    """Names and values, nested ones included; Parquet's map type comes as a list of pairs, where a name may repeat."""
    value = _of_json(given) if isinstance(given, str) else given
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list) and all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in value):
        return value
    raise RowError(f"attributes must be an object of names and values, got {shown(given)}")


def _is_flat(given: Any) -> TypeGuard[dict[str, Any]]:
    """Whether attributes stay as they are. Most do, a dozen a product: so a catalogue is read in a fifth less time."""
    if not isinstance(given, dict):
        return False
    for name, value in given.items():
        if not isinstance(name, str) or name != name.strip():
            return False
        if not (value and not value.isspace() if isinstance(value, str) else isinstance(value, int)):
            return False
    return True


def _of_json(text: str) -> Any:
    try:
        value = from_json(text)
    except ValueError:
        return text
    return {} if value is None else value


def _flat(attributes: Iterable[tuple[Any, Any]], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in attributes:
        name = f"{prefix}{key}".strip()
        if isinstance(value, dict):
            yield from _flat(value.items(), f"{name} ")
        elif isinstance(value, list):
            present = [entry for entry in value if not is_absent(entry)]
            if present:
                yield name, _text(present)
        elif not is_absent(value):
            yield name, value
