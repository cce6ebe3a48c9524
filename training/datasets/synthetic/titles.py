"""Titles as shops write them: terse, catalogue, marketplace, noun first."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from training.datasets.synthetic.grammar import (
    for_use,
    is_adjective,
    joined,
    joined_kind,
    plural,
    possessive,
    reads_after_with,
    split_owner,
    with_feature,
)
from training.datasets.synthetic.wording import pick_size_form, spelled, title_case

if TYPE_CHECKING:
    from training.datasets.synthetic.generator import Item

SEPARATORS = (", ", ", ", ", ", " - ", " - ", " | ", " – ", " ")
SYNONYM = 0.2


def write_title(rng: random.Random, item: Item, *, full: bool = False) -> str:
    """One title; with `full` a long one that says everything that is true of the item."""
    style = _everything if full else rng.choices(STYLES, STYLE_WEIGHTS)[0]
    head, details = style(rng, item)
    text = _join(head, details, rng.choice(SEPARATORS[:7] if len(details) > 2 else SEPARATORS))
    if item.pack:
        text += rng.choice((f" (Pack of {item.pack})", f", {item.pack} Pack", f" - {item.pack} Pack"))
    case = rng.random()
    if case < 0.03:
        return text.upper()
    return text[:1].upper() + text[1:] if case < 0.08 else title_case(text)


def _noun(rng: random.Random, item: Item) -> str:
    """Kind and name, or a synonym of the name: 'sectional sofa', 'couch'; whom it is for, `_audience` says."""
    name = rng.choice(item.type.synonyms) if item.type.synonyms and rng.random() < SYNONYM else item.type.name
    if rng.random() < 0.12:
        name = plural(name)
    bare = split_owner(name)[1]
    return bare if item.kind is None else joined_kind(item.kind, bare)


def _terse(rng: random.Random, item: Item) -> tuple[list[str], list[str]]:
    words = [word for word in (_color(rng, item), item.material) if word and rng.random() < 0.6]
    brand = [item.brand] if rng.random() < 0.35 else []
    audience = _audience(rng, item) if split_owner(item.type.name)[0] or rng.random() < 0.3 else []
    return [*brand, *audience, *words, _noun(rng, item)], []


def _catalogue(rng: random.Random, item: Item) -> tuple[list[str], list[str]]:
    head = [item.brand, *_model(item), *_audience(rng, item), _noun(rng, item)]
    details = [item.material, _color(rng, item), _size(rng, item), _feature(item.features[:1])]
    kept = [detail for detail in details if detail and rng.random() < 0.7]
    return head, _shuffled(rng, kept)


def _marketplace(rng: random.Random, item: Item) -> tuple[list[str], list[str]]:
    before, after = _split_features(item.features[:2])
    brand = [item.brand] if rng.random() < 0.85 else []
    head = [*brand, *_audience(rng, item), *before, *_kept(rng, item.material), _noun(rng, item)]
    if after and reads_after_with(after[0]) and rng.random() < 0.6:
        head.append(with_feature(after.pop(0)))
    details = [_feature(after), item.use and for_use(item.use), _color(rng, item), _size(rng, item), *_model(item)]
    kept = [detail for detail in details if detail and rng.random() < 0.8]
    return head, _shuffled(rng, kept) if rng.random() < 0.4 else kept


def _noun_first(rng: random.Random, item: Item) -> tuple[list[str], list[str]]:
    details = [item.kind, item.material, _color(rng, item), _size(rng, item), item.brand]
    kept = [detail for detail in details if detail and rng.random() < 0.75]
    return [*_audience(rng, item), split_owner(item.type.name)[1]], [*kept, *_model(item)]


def _sized_first(rng: random.Random, item: Item) -> tuple[list[str], list[str]]:
    before, after = _split_features(item.features[:1])
    head = [item.brand, *_model(item), *_kept(rng, _size(rng, item)), *before]
    head += [*_audience(rng, item), _noun(rng, item), *(with_feature(feature) for feature in after)]
    return head, [detail for detail in (_color(rng, item),) if detail]


def _everything(rng: random.Random, item: Item) -> tuple[list[str], list[str]]:
    before, after = _split_features(item.features)
    head = [item.brand, *_model(item), *_audience(rng, item), *before[:2], item.material or "", _noun(rng, item)]
    tail = [", ".join(before[2:]), _feature(after) or "", (item.use and for_use(item.use)) or ""]
    return head, [*tail, _color(rng, item) or "", _size(rng, item) or ""]


Style = Callable[[random.Random, "Item"], tuple[list[str], list[str]]]

STYLES: tuple[Style, ...] = (_terse, _catalogue, _marketplace, _noun_first, _sized_first)
STYLE_WEIGHTS = (18, 25, 32, 9, 16)


def _join(head: Iterable[str], details: Iterable[str], separator: str) -> str:
    """Head words, then details; a part whose words were all said before is left out."""
    text = ""
    for part in head:
        text = _add(text, part, " ")
    for part in details:
        text = _add(text, part, separator)
    return text


def _add(text: str, part: str, separator: str) -> str:
    if not part or f" {part.lower()} " in f" {text.lower()} ".replace(",", "").replace(" - ", " "):
        return text
    if not text:
        return part
    return joined(text, part) if separator == " " else f"{text}{separator}{part}"


def _split_features(features: Iterable[str]) -> tuple[list[str], list[str]]:
    before: list[str] = []
    after: list[str] = []
    for feature in features:
        (before if is_adjective(feature) else after).append(feature)
    return before, after


def _feature(features: Iterable[str]) -> str | None:
    """The features as one detail: 'removable covers and tufted back'."""
    return " and ".join(feature.removeprefix("with ") for feature in features) or None


def _color(rng: random.Random, item: Item) -> str | None:
    return spelled(rng, item.color) if item.color else None


def _size(rng: random.Random, item: Item) -> str | None:
    return pick_size_form(rng, item.size) if item.size else None


def _model(item: Item) -> list[str]:
    return [item.model] if item.model else []


def _audience(rng: random.Random, item: Item) -> list[str]:
    """Whom the item is for; if that says nothing, what the type's own name says. 'Unisex' is seldom said."""
    if item.audience in (None, "unisex"):
        owner = split_owner(item.type.name)[0]
        return [owner] if owner else ["unisex"] if item.audience and rng.random() < 0.4 else []
    return [possessive(item.audience)]


def _kept(rng: random.Random, word: str | None) -> list[str]:
    return [word] if word and rng.random() < 0.7 else []


def _shuffled(rng: random.Random, parts: list[str]) -> list[str]:
    rng.shuffle(parts)
    return parts
