"""A report as plain blocks, which `html.py` and `markdown.py` render: both say the same because both get the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's title; level 1 is the report's own."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; numbers stand on the right."""

    name: str
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are text; each row is as long as `columns`."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot: `name` is its file's, without ending; `alternative` says what it shows to who cannot see it."""

    name: str
    alternative: str
    png: bytes


Block = Heading | Paragraph | Table | Picture


def one_line(text: str) -> str:
    """A dataset's text as one line without control characters, which no renderer can be trusted with."""
    return _SPACES.sub(" ", _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)).strip()
