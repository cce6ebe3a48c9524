"""What a row of a table or a file of JSON lines holds under a name; who reads the file adds its place to an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class RowError(ValueError):
    """A row can not be used; the message names the field, but not the file and the line."""


def is_absent(value: Any) -> bool:
    """Whether a field holds nothing: null, blank text, or the NaN that a table tool writes for an empty cell."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, float) and math.isnan(value))


def required(row: Mapping[str, Any], key: str) -> Any:
    """The value of `key`; RowError when it is absent or empty."""
    value = row.get(key)
    if is_absent(value):
        hint = "" if key in row else f"; the row has {', '.join(map(repr, row)) or 'no fields'}"
        raise RowError(f"{key!r} is missing or empty{hint}")
    return value


def required_text(row: Mapping[str, Any], key: str) -> str:
    """The text of `key` without surrounding white space; a number, as in ids, counts as its shortest text.

    An integer that a table tool turned into a float is that integer again: 7.0 gives "7".
    """
    value = required(row, key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"{key!r} must be text or a number, got {value!r}")
    return str(value).strip()
