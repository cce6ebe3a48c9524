"""What a load gives: rows of figures by system, as a Markdown table for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, float | None]
"""Column (mostly a system) → figure; None: there is none, for instance because no reply came."""

RAW = "raw"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The first of `rows` is what the load is about; `facts` stand in the JSON alone."""

    load: str
    title: str
    rows: Mapping[str, Row]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Each system's headline by its name, which figure that is, and everything else."""
        headline, *others = self.rows
        content = {
            "figure": headline,
            **self.rows[headline],
            **{name: self.rows[name] for name in others},
            **self.facts,
        }
        return underscored(content)

    def as_markdown(self) -> str:
        """A table with a column for each system."""
        columns = list(dict.fromkeys(column for row in self.rows.values() for column in row))
        lines = [f"| {self.load}: {self.title} | {_words(' | '.join(columns))} |", "| --- |" + " --: |" * len(columns)]
        for name, row in self.rows.items():
            if not row:
                continue
            cells = [_cell(row[column]) if column in row else "" for column in columns]
            lines.append(f"| {_words(name)} | {' | '.join(cells)} |")
        return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """`1 client`, `8 clients`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def underscored(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same with keys that most languages can spell as a name: no hyphens."""
    return {
        name.replace("-", "_"): underscored(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
    }


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
