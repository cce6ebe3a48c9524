"""What a row of a table or a file of JSON lines holds under a name; who reads the file adds its place to an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

LONGEST_SHOWN: Final = 120
"""Characters of a bad value in a message."""
LONGEST_NAMES: Final = 400
"""Characters of the names that a row or a table has, in a message."""


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
        hint = "" if key in row else f"; the row has {names_shown(map(repr, row)) or 'no fields'}"
        raise RowError(f"{key!r} is missing or empty{hint}")
    return value


def required_text(row: Mapping[str, Any], key: str) -> str:
    """The text of `key` without surrounding white space; a number, as in ids, counts as its shortest text.

    An integer that a table tool turned into a float, or a warehouse into a decimal, is that integer again: 7.0 gives
    "7".
    """
    value = required(row, key)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, Decimal):
        raise RowError(f"{key!r} must be text or a whole number, got {shown(value)}; cast the column to text")
    is_endless = isinstance(value, float) and math.isinf(value)
    if isinstance(value, bool) or is_endless or not isinstance(value, str | int | float):
        raise RowError(f"{key!r} must be text or a number, got {shown(value)}")
    return str(value).strip()


def shown(value: Any) -> str:
    """A bad value as a message has it: whoever wrote it may have put a whole page there."""
    return _cut(repr(value), LONGEST_SHOWN)


def names_shown(names: Iterable[str]) -> str:
    """The names that a row or a table has, as a message has them."""
    return _cut(", ".join(names), LONGEST_NAMES)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
