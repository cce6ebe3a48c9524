"""The pool's own report as blocks: its headings, tables and lines; nothing of it is lost, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from training.report.document import Block, Column, Heading, Paragraph, Table

_HEADING = re.compile(r"(#{1,5}) +(.*)")
_RULE = re.compile(r":?-+:?")
_CELL_EDGE = re.compile(r"(?<!\\)\|")


def blocks_of_markdown(text: str) -> list[Block]:
    """Plain Markdown (headings, pipe tables, lines) as blocks, one heading level further down."""
    lines = [line.strip() for line in text.splitlines()]
    blocks: list[Block] = []
    for is_table, group in groupby(filter(None, lines), key=lambda line: line.startswith("|")):
        given = list(group)
        table = _table(given) if is_table else None
        blocks += [table] if table else _lines(given)
    return blocks


def _lines(lines: Sequence[str]) -> Iterator[Block]:
    for line in lines:
        heading = _HEADING.fullmatch(line)
        yield Heading(heading[2], len(heading[1]) + 1) if heading else Paragraph(line)


def _table(lines: Sequence[str]) -> Table | None:
    """A table of `lines`, or None where they are none: no rule below the head, or rows of unlike lengths."""
    rows = [[cell.strip().replace("\\|", "|") for cell in _CELL_EDGE.split(line)[1:-1]] for line in lines]
    if len(rows) < 2 or len({len(row) for row in rows}) > 1 or not all(map(_RULE.fullmatch, rows[1])):
        return None
    return Table([Column(name, rule.endswith(":")) for name, rule in zip(*rows[:2], strict=True)], rows[2:])
