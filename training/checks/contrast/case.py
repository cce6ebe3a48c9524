"""One case of the contrast check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """A query, the one title that answers it, and titles that differ from that one by one thing."""

    query: str
    right: str
    wrong: tuple[str, ...]


def ask_for_each(asked: Iterable[tuple[str, str]]) -> list[Case]:
    """One case for each (query, title), all over the same titles.

    Every title is right as often as any other, so that a model which does not read the query gains nothing.
    """
    pairs = list(asked)
    titles = list(dict.fromkeys(title for _, title in pairs))
    return [Case(query, right, tuple(title for title in titles if title != right)) for query, right in pairs]
