"""A report as Markdown, with its pictures as files beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from training.report.document import Block, Heading, Paragraph, Picture, Table, one_line

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#!&])")
_SCHEME = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")


def render_markdown(blocks: Sequence[Block]) -> str:
    """The whole text; a picture is a link to the file `picture_file` names, in the same folder."""
    return "\n\n".join(map(_block, blocks)) + "\n"


def picture_file(picture: Picture) -> str:
    """Name of a picture's file."""
    return f"{picture.name}.png"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_text(text)}"
        case Paragraph(text):
            return _text(text)
        case Table():
            return _table(block)
        case Picture():
            return f"![{_text(block.alternative)}]({picture_file(block)})\n\n*{_text(block.alternative)}*"


def _table(table: Table) -> str:
    head = [column.name for column in table.columns]
    rule = ["--:" if column.numeric else "---" for column in table.columns]
    return "\n".join([_row(map(_text, head)), _row(rule), *(_row(map(_text, row)) for row in table.rows)])


def _row(cells: Sequence[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Escaped so that a title stays text: no markup, no picture, no link, not even of a bare address."""
    escaped = _SPECIAL.sub(r"\\\1", one_line(text))
    return _SCHEME.sub(lambda scheme: f"{scheme[1]}\N{ZERO WIDTH NON-JOINER}", escaped)
