"""Queries composed from a catalogue, and products composed from a query log.

Where there is no log, a catalogue tells what shoppers could ask for; where there is no catalogue, a log
tells what could be on the shelves. Both only widen the unlabelled pool: the teacher gives the labels.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from relevance.product import Product

LONGEST_PHRASE = 3
MIN_PRODUCTS = 3
"""A phrase that fewer products share is a model number or a typo, not what shoppers ask for."""
_WORD = re.compile(r"[^\W_][\w.\-/&'\"]*")
_SEPARATORS = (", ", " - ", " ", " | ", " for ", " with ")


def compose_queries(products: Iterable[Product], count: int, rng: random.Random) -> list[str]:
    """Up to `count` distinct queries: phrases of the titles, drawn by the square root of their frequency,
    a third of them with a brand or a colour put in front."""
    products = list(products)
    phrases = Counter(phrase for product in products for phrase in dict.fromkeys(_phrases(product.title)))
    common = [(phrase, n**0.5) for phrase, n in phrases.items() if n >= MIN_PRODUCTS]
    if not common:
        common = [(phrase, 1.0) for phrase in phrases]
    words = [word.lower() for product in products for word in (product.brand, product.color) if word]
    drawn = rng.choices([p for p, _ in common], weights=[w for _, w in common], k=3 * count) if common else []
    composed = (_with_qualifier(phrase, words, rng) for phrase in drawn)
    return list(dict.fromkeys(composed))[:count]


def compose_products(queries: Sequence[str], per_query: int, rng: random.Random) -> list[Product]:
    """`per_query` title-only products for each query: its words, some lost, with those of other queries."""
    words = [word for query in queries for word in query.split()]
    titles = (_title(query, queries, words, rng) for query in queries for _ in range(per_query))
    return [Product(title=title) for title in dict.fromkeys(titles) if title.strip()]


def _phrases(title: str) -> Iterable[str]:
    words = [word.lower() for word in _WORD.findall(title)]
    for length in range(1, LONGEST_PHRASE + 1):
        for start in range(len(words) - length + 1):
            phrase = words[start : start + length]
            if not phrase[0].isdigit() and len(phrase[-1]) > 1:
                yield " ".join(phrase)


def _with_qualifier(phrase: str, qualifiers: Sequence[str], rng: random.Random) -> str:
    if not qualifiers or rng.random() > 1 / 3:
        return phrase
    qualifier = rng.choice(qualifiers)
    return phrase if qualifier in phrase else f"{qualifier} {phrase}"


def _title(query: str, queries: Sequence[str], words: Sequence[str], rng: random.Random) -> str:
    own = query.split()
    if len(own) > 2 and rng.random() < 0.5:
        own.pop(rng.randrange(len(own)))
    if rng.random() < 0.3:
        rng.shuffle(own)
    parts = [" ".join(own)]
    if rng.random() < 0.5:
        parts.append(rng.choice(queries))
    if rng.random() < 0.6:
        parts.append(" ".join(rng.choices(words, k=rng.randint(1, 4))))
    rng.shuffle(parts)
    return rng.choice(_SEPARATORS).join(parts).title()
