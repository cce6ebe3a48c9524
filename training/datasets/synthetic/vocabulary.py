"""The vocabulary of the embedded catalogue: one TOML file per department, one table per product type."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from training.errors import DataError

VOCABULARY = Path(__file__).with_name("vocabulary")

AUDIENCES = ("men", "women", "boys", "girls", "kids", "baby", "unisex")

LISTS = (
    "synonyms",
    "kinds",
    "materials",
    "colors",
    "sizes",
    "features",
    "uses",
    "audiences",
    "accessories",
    "neighbours",
)
"""The keys that every [[type]] must have beside its name; each is a list of strings."""


@dataclass(frozen=True, slots=True, eq=False)
class ProductType:
    """One kind of thing a shop sells, and the values its attributes can take.

    `accessories` and `neighbours` are names of other types of the same department; `goes_with` names
    the types that this one is an accessory of. Two types are equal only if they are the same object.
    """

    department: str
    name: str
    synonyms: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    accessories: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    goes_with: tuple[str, ...] = ()


@cache
def load_vocabulary(folder: Path = VOCABULARY) -> tuple[ProductType, ...]:
    """Every type of the folder, in order of file name; DataError names file and type of what is wrong."""
    types: list[ProductType] = []
    owner: dict[str, Path] = {}
    departments: dict[str, Path] = {}
    for path in sorted(folder.glob("*.toml")):
        found = _read_department(path)
        if found[0].department in departments:
            raise DataError(f"{path}: department {found[0].department!r} is also in {departments[found[0].department]}")
        departments[found[0].department] = path
        for kind in found:
            if kind.name in owner:
                raise DataError(f"{path}: type {kind.name!r} is also in {owner[kind.name]}")
            owner[kind.name] = path
        types.extend(found)
    return _without_ambiguous_names(types)


def _read_department(path: Path) -> list[ProductType]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid TOML ({error})") from error
    department, rows = table.get("department"), table.get("type")
    if not _is_text(department):
        raise DataError(f"{path}: 'department' is missing or empty")
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path}: there is no [[type]]")
    types = [_read_type(row, str(department), path) for row in rows]
    _check_references(types, path)
    goes_with = defaultdict(list)
    for kind in types:
        for name in kind.accessories:
            goes_with[name].append(kind.name)
    return [replace(kind, goes_with=tuple(goes_with[kind.name])) for kind in types]


def _read_type(row: dict[str, Any], department: str, path: Path) -> ProductType:
    name = row.get("name")
    if not _is_text(name):
        raise DataError(f"{path}: a [[type]] has no 'name'")
    unknown = sorted(set(row) - {"name", *LISTS})
    if unknown:
        raise DataError(f"{path}: type {name!r}: unknown key {unknown[0]!r}")
    values = {key: _texts(row.get(key), f"{path}: type {name!r}: {key!r}") for key in LISTS}
    stray = [audience for audience in values["audiences"] if audience not in AUDIENCES]
    if stray:
        raise DataError(f"{path}: type {name!r}: 'audiences' knows {', '.join(AUDIENCES)}, not {stray[0]!r}")
    return ProductType(department, str(name), **values)


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(_is_text(text) for text in value):
        raise DataError(f"{where} must be a list of non-empty strings")
    return tuple(dict.fromkeys(value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_references(types: Iterable[ProductType], path: Path) -> None:
    known = {kind.name for kind in types}
    for kind in types:
        for key, names in (("accessories", kind.accessories), ("neighbours", kind.neighbours)):
            for name in names:
                if name not in known or name == kind.name:
                    raise DataError(f"{path}: type {kind.name!r}: {key!r} names {name!r}, no other type of this file")


def _without_ambiguous_names(types: list[ProductType]) -> tuple[ProductType, ...]:
    """Drop synonyms and kinds that would make one text name two types: its true relevance would be unknown."""
    names = {kind.name for kind in types}
    uses = Counter(synonym for kind in types for synonym in kind.synonyms)
    return tuple(
        replace(
            kind,
            synonyms=tuple(word for word in kind.synonyms if word not in names and uses[word] == 1),
            kinds=tuple(word for word in kind.kinds if f"{word} {kind.name}" not in names | uses.keys()),
        )
        for kind in types
    )


DEPARTMENTS: tuple[str, ...] = tuple(dict.fromkeys(kind.department for kind in load_vocabulary()))
"""Every department of the vocabulary, in order of file name."""
