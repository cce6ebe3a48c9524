"""Invented brand names. None is meant to be a trade mark; any likeness to one is chance."""

from __future__ import annotations

import random
from functools import cache

COINED = (
    "Abrel", "Belk", "Caldor", "Dravel", "Elvar", "Fenmor", "Galt", "Hestr", "Ilm", "Jorv",
    "Kest", "Lovr", "Norv", "Orvel", "Quent", "Rust", "Tarv", "Threl", "Voss", "Zelm",
)  # fmt: skip
COINED_ENDINGS = ("ano", "ella", "ix", "and", "ora", "is", "en", "eth", "ico", "una", "aine", "ery")

COMPOUND = (
    "Alder", "Amber", "Ash", "Bram", "Briar", "Clover", "Copper", "Crow", "Dapple", "Ember",
    "Fern", "Finch", "Flint", "Gorse", "Harrow", "Heron", "Iron", "Juniper", "Lark", "Linden",
    "Marl", "Moss", "Otter", "Pebble", "Quill", "Rowan", "Sable", "Thistle", "Wren", "Yarrow",
)  # fmt: skip
COMPOUND_ENDINGS = (
    "barrow",
    "croft",
    "dale",
    "fell",
    "garth",
    "hollow",
    "lane",
    "mere",
    "quay",
    "reach",
    "stead",
    "wick",
)
SUFFIXES = (" & Co", " Works", " Supply", " Goods", " Labs", " Bros")

PER_STEM = 5
PER_DEPARTMENT = 18
PER_TYPE = 9


def _invent() -> tuple[str, ...]:
    rng = random.Random("aisle brands")
    names: list[str] = []
    for stems, endings in ((COINED, COINED_ENDINGS), (COMPOUND, COMPOUND_ENDINGS)):
        for stem in stems:
            words = [stem + ending for ending in rng.sample(endings, PER_STEM)]
            names += [words[0] + rng.choice(SUFFIXES), *words[1:]]
    return tuple(names)


BRANDS: tuple[str, ...] = _invent()


@cache
def brands_of_department(department: str) -> tuple[str, ...]:
    """The brands that sell in a department; the same ones in every run."""
    return tuple(random.Random(f"department {department}").sample(BRANDS, PER_DEPARTMENT))


@cache
def brands_of_type(department: str, name: str) -> tuple[str, ...]:
    """The brands of its department that make a type, best seller first."""
    return tuple(random.Random(f"type {name}").sample(brands_of_department(department), PER_TYPE))
