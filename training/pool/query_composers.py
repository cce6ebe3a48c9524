"""Queries composed from a catalogue's attributes, the ways shoppers write them.

A noun with up to three things to ask of it, loosely ordered; now and then a constraint: a price, a count,
something to be without, someone or something that it is for. Whether any product fulfils it is for the
teacher to say.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from relevance.product import Product
from training.pool.product_facts import Facts, read_facts

ASKED = (0, 1, 1, 1, 2, 2, 3)
"""How many qualifiers a query has: most queries are short."""
CONSTRAINED = 0.25
REORDERED = 0.15
ATTEMPTS = 4
"""Queries drawn for each one wanted: duplicates fall out, and a small catalogue runs dry."""
PRICE_POINTS = (5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000)
_PRICES = ("{} under {}", "{} under ${}", "{} less than {}", "{} below {}")
_COUNTS = ("{n} pack {noun}", "{noun} {n} pack", "{noun} pack of {n}", "set of {n} {noun}", "{n} {noun}")
_PACKS = (2, 2, 3, 4, 6, 8, 10, 12)
_AUDIENCES = ("kids", "kids", "men", "women", "toddlers", "beginners", "seniors")
_WITHOUT = ("{} without {}", "{} not {}", "{} no {}")

Constraint = Callable[[str, Facts, random.Random], str]


def compose_from_attributes(products: Iterable[Product], count: int, rng: random.Random) -> list[str]:
    """Up to `count` distinct queries; fewer if the catalogue says too little."""
    facts = [fact for product in products if (fact := read_facts(product))]
    if not facts:
        return []
    others = _values_by_noun(facts)
    drawn = (_compose(fact, others, rng) for fact in rng.choices(facts, k=ATTEMPTS * count))
    queries: dict[str, None] = {}
    for query in drawn:
        if len(queries) == count:
            break
        queries.setdefault(query)
    return list(queries)


def _compose(facts: Facts, others: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    asked = _qualifiers(facts, rng)
    parts = [*(text for text, before in asked if before), facts.noun, *(text for text, before in asked if not before)]
    if rng.random() < REORDERED:
        rng.shuffle(parts)
    query = " ".join(parts)
    if rng.random() >= CONSTRAINED:
        return query
    missing = [value for value in others[facts.noun] if value not in facts.values and value not in query]
    if missing and rng.random() < 0.25:
        return rng.choice(_WITHOUT).format(query, rng.choice(missing))
    return rng.choice(_CONSTRAINTS)(query, facts, rng)


def _qualifiers(facts: Facts, rng: random.Random) -> list[tuple[str, bool]]:
    """Some of what can be asked, each with whether it stands before the noun; nothing is said twice."""
    offered = [(text, True) for text in facts.traits]
    offered += [(text, rng.random() < 0.4) for text in facts.measures]
    offered += [(f"for {text}", False) for text in facts.compatible]
    if facts.audience:
        offered.append(_audience(facts.audience, rng))
    said, asked = facts.noun, []
    for text, before in rng.sample(offered, min(len(offered), rng.choice(ASKED))):
        if text not in said:
            asked.append((text, before))
            said = f"{said} {text}"
    return asked


def _audience(audience: str, rng: random.Random) -> tuple[str, bool]:
    """'for men', 'men', "men's" or 'mens', and whether that stands before the noun."""
    possessive = audience if audience.endswith("s") else f"{audience}'s"
    forms = ((f"for {audience}", False), (audience, False), (possessive, True), (possessive.replace("'", ""), True))
    return rng.choice(forms)


def _priced(query: str, facts: Facts, rng: random.Random) -> str:
    """A round limit: the next ones above the product's price where that is known."""
    affordable = [point for point in PRICE_POINTS if facts.price and point >= facts.price][:3]
    return rng.choice(_PRICES).format(query, rng.choice(affordable or PRICE_POINTS))


def _counted(query: str, facts: Facts, rng: random.Random) -> str:
    return rng.choice(_COUNTS).format(n=rng.choice(_PACKS), noun=query)


def _for_whom(query: str, facts: Facts, rng: random.Random) -> str:
    whom = facts.audience or rng.choice(_AUDIENCES)
    return query if whom in query.split() or f"{whom}'s" in query else f"{query} for {whom}"


_CONSTRAINTS: tuple[Constraint, ...] = (_priced, _priced, _counted, _counted, _for_whom)


def _values_by_noun(facts: Iterable[Facts]) -> dict[str, list[str]]:
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for fact in facts:
        values[fact.noun].update(dict.fromkeys(fact.values))
    return {noun: list(known) for noun, known in values.items()}
