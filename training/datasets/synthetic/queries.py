"""Intents, and the queries that shoppers write for them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.datasets.synthetic.generator import Item
from training.datasets.synthetic.grammar import (
    for_use,
    is_adjective,
    joined_kind,
    plural,
    possessive,
    split_owner,
    with_feature,
)
from training.datasets.synthetic.vocabulary import ProductType
from training.datasets.synthetic.wording import misspell, pick_size_form, spelled

MISSPELLED = 0.07
SYNONYM = 0.25
CONSTRAINT_WEIGHTS = {
    "kind": 5, "color": 4, "audience": 4, "feature": 3, "material": 3, "brand": 2, "size": 3, "use": 2,
}  # fmt: skip
CONSTRAINT_COUNTS = (0, 0, 0, 1, 1, 1, 1, 2, 2, 3)
FILLERS = ("best {}", "cheap {}", "good {}", "{} sale", "{} online", "buy {}")


@dataclass(frozen=True, slots=True)
class Intent:
    """What a shopper wants: a type, and constraints on it; None where anything will do."""

    wanted: ProductType
    kind: str | None = None
    brand: str | None = None
    color: str | None = None
    material: str | None = None
    size: str | None = None
    feature: str | None = None
    use: str | None = None
    audience: str | None = None
    model: str | None = None
    excluded: str | None = None


def intent_for(rng: random.Random, item: Item) -> Intent:
    """An intent that the item fulfils."""
    if item.model and rng.random() < 0.15:
        return Intent(item.type, model=item.model, brand=item.brand if rng.random() < 0.5 else None)
    excluded = _excluded(rng, item) if rng.random() < 0.06 else None
    truths = {
        "kind": item.kind,
        "color": _coarse(rng, item.color),
        "audience": item.audience if item.audience != "unisex" else None,
        "feature": rng.choice(item.features) if item.features else None,
        "material": item.material,
        "brand": item.brand,
        "size": item.size,
        "use": item.use,
    }
    names = [name for name, value in truths.items() if value is not None]
    count = min(rng.choice(CONSTRAINT_COUNTS), len(names))
    chosen: dict[str, str | None] = {}
    while len(chosen) < count:
        name = rng.choices(names, [CONSTRAINT_WEIGHTS[name] for name in names])[0]
        chosen[name] = truths[name]
    return Intent(item.type, excluded=excluded, **chosen)


def write_query(rng: random.Random, intent: Intent) -> str:
    """The query as typed: mostly lower case, loosely ordered, now and then misspelled."""
    text = _model_query(rng, intent) if intent.model else _type_query(rng, intent)
    if intent.excluded:
        text = f"{text} {_negation(rng, intent)}"
    text = text.lower() if rng.random() < 0.93 else text[:1].upper() + text[1:]
    return misspell(rng, text) if rng.random() < MISSPELLED else text


def _model_query(rng: random.Random, intent: Intent) -> str:
    model = intent.model or ""
    spelling = model.replace("-", rng.choice(("-", "", " ")))
    brand = [intent.brand] if intent.brand else []
    noun = [intent.wanted.name] if rng.random() < 0.6 else []
    return " ".join([*brand, spelling, *noun] if rng.random() < 0.8 else [*noun, *brand, spelling])


def _type_query(rng: random.Random, intent: Intent) -> str:
    before = [intent.brand, spelled(rng, intent.color) if intent.color else None, intent.material]
    after: list[str | None] = []
    if intent.audience:
        _place_audience(rng, intent.audience, before, after)
    if intent.feature:
        adjective = is_adjective(intent.feature)
        (before if adjective else after).append(intent.feature if adjective else _loose_feature(rng, intent.feature))
    if intent.size:
        (before if rng.random() < 0.4 else after).append(pick_size_form(rng, intent.size))
    if intent.use:
        after.append(for_use(intent.use) if rng.random() < 0.8 else intent.use.removeprefix("for "))
    modifiers = [word for word in before if word]
    if rng.random() < 0.15:
        rng.shuffle(modifiers)
    noun = _for_whom(rng, intent, _noun(rng, intent))
    text = [noun, *modifiers] if len(modifiers) == 1 and rng.random() < 0.15 else [*modifiers, noun]
    typed = _once([*text, *(word for word in after if word)])
    return rng.choice(FILLERS).format(typed) if rng.random() < 0.03 else typed


def _place_audience(rng: random.Random, audience: str, before: list[str | None], after: list[str | None]) -> None:
    style = rng.random()
    if style < 0.35:
        after.append(f"for {audience}")
    elif style < 0.5:
        after.append(audience)
    else:
        word = possessive(audience)
        before.insert(1, word if style > 0.85 else word.replace("'", ""))


def _noun(rng: random.Random, intent: Intent) -> str:
    wanted = intent.wanted
    for parent in wanted.goes_with:
        if wanted.name.startswith(f"{parent} ") and rng.random() < 0.4:
            return _with_kind(intent, f"{_number(rng, wanted.name.removeprefix(parent + ' '))} for {parent}")
    name = rng.choice(wanted.synonyms) if wanted.synonyms and rng.random() < SYNONYM else wanted.name
    return _with_kind(intent, _number(rng, name))


def _with_kind(intent: Intent, name: str) -> str:
    return joined_kind(intent.kind, name) if intent.kind else name


def _for_whom(rng: random.Random, intent: Intent, noun: str) -> str:
    """The noun without an audience of its own if the intent says one; else often without its apostrophe."""
    owner, rest = split_owner(noun)
    if intent.audience:
        return rest
    return " ".join((owner.replace("'", ""), rest)) if owner and rng.random() < 0.5 else noun


def _number(rng: random.Random, name: str) -> str:
    return plural(name) if rng.random() < 0.35 else name


def _loose_feature(rng: random.Random, feature: str) -> str:
    return with_feature(feature) if rng.random() < 0.7 else feature.removeprefix("with ")


def _negation(rng: random.Random, intent: Intent) -> str:
    excluded = (intent.excluded or "").removeprefix("with ")
    if excluded in intent.wanted.materials or excluded in intent.wanted.colors or is_adjective(excluded):
        return f"{rng.choice(('not', 'not', 'no', 'non'))} {excluded}"
    return f"{rng.choice(('without', 'without', 'no'))} {excluded}"


def _excluded(rng: random.Random, item: Item) -> str | None:
    """A feature, material or colour that others of the type have and this item has not."""
    own = {*item.features, item.material, item.color}
    others = [
        value
        for value in (*item.type.features, *item.type.materials, *item.type.colors)
        if value not in own and not value.endswith((" free", "less")) and not value.startswith(("no ", "for "))
    ]
    return rng.choice(others) if others else None


def _coarse(rng: random.Random, color: str | None) -> str | None:
    """'navy blue' → 'blue' now and then: shoppers say the plain colour."""
    if color and color.endswith((" blue", " green", " red", " brown", " grey", " pink")) and rng.random() < 0.5:
        return color.rpartition(" ")[2]
    return color


def _once(parts: list[str]) -> str:
    """The parts in order, without one that was said already."""
    text = ""
    for part in parts:
        if f" {part.lower()} " not in f" {text.lower()} ":
            text = f"{text} {part}".strip()
    return text
