"""Descriptions of one to three sentences that say every attribute of an item."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.datasets.synthetic.grammar import (
    for_use,
    is_adjective,
    joined_kind,
    plural,
    possessive,
    split_owner,
)

if TYPE_CHECKING:
    from training.datasets.synthetic.generator import Item

OPENINGS = (
    "{Noun} from {brand}{made}{coloured}.",
    "{brand} {noun}{made}{coloured}.",
    "This {noun}{made}{coloured} comes from {brand}.",
    "The {noun} by {brand}{made}{coloured}.",
)
FEATURE_SENTENCES = ("Features: {features}.", "Details: {features}.", "What you get: {features}.", "{Features}.")
USE_SENTENCES = ("Made {use}.", "Ideal {use}.", "A good choice {use}.", "Suited {use}.")
SIZE_SENTENCES = ("Size: {size}.", "Available size: {size}.", "Comes as: {size}.")


def write_description(rng: random.Random, item: Item) -> str:
    """Describe the item in one to three sentences, model number and pack count last."""
    sentences = [_opening(rng, item)]
    if item.features:
        listed = _listed(item.features)
        sentences.append(rng.choice(FEATURE_SENTENCES).format(features=listed, Features=_capital(listed)))
    closing = [rng.choice(USE_SENTENCES).format(use=for_use(item.use))] if item.use else []
    closing += [rng.choice(SIZE_SENTENCES).format(size=item.size.removeprefix("size "))] if item.size else []
    rng.shuffle(closing)
    return " ".join([*sentences, *closing, *_codes(item)])


def _opening(rng: random.Random, item: Item) -> str:
    name = joined_kind(item.kind, item.type.name) if item.kind else item.type.name
    noun = f"{possessive(item.audience)} {split_owner(name)[1]}" if item.audience else name
    made = f" in {item.material}" if item.material else ""
    coloured = ""
    if item.color and item.color != item.material:
        coloured = f"{',' if made else ' in'} {item.color}"
    return rng.choice(OPENINGS).format(noun=noun, Noun=_capital(noun), brand=item.brand, made=made, coloured=coloured)


def _listed(features: Sequence[str]) -> str:
    """'waterproof, removable covers and tufted back'; adjectives come first."""
    ordered = sorted((feature.removeprefix("with ") for feature in features), key=lambda word: not is_adjective(word))
    return " and ".join(filter(None, (", ".join(ordered[:-1]), ordered[-1])))


def _codes(item: Item) -> list[str]:
    codes = [f"Model {item.model}."] if item.model else []
    return codes + ([f"Pack of {item.pack} {plural(item.type.name)}."] if item.pack else [])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
