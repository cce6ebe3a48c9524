"""The catalogue by type, and the candidates that are judged for a query: hard ones and random ones."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from training.datasets.synthetic.generator import Item
from training.datasets.synthetic.queries import Intent
from training.datasets.synthetic.truth import MATCH, true_relevance
from training.datasets.synthetic.vocabulary import ProductType

SHARES = (("match", 0.25), ("violating", 0.25), ("neighbour", 0.2), ("accessory", 0.1), ("sharing words", 0.1))
"""Of the candidates of a query, the part of each sort; random items fill the rest."""


class Catalogue:
    """Items by type, so that no query ever looks at the whole catalogue."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._by_type: dict[str, list[int]] = defaultdict(list)
        self._types_by_word: dict[str, list[str]] = defaultdict(list)
        for place, item in enumerate(items):
            if item.type.name not in self._by_type:
                self._add_words(item.type)
            self._by_type[item.type.name].append(place)
        self._related = {kind.name: self._relations(kind) for kind in {item.type: None for item in items}}

    def candidates(self, rng: random.Random, intent: Intent, count: int) -> list[int]:
        """Up to `count` places of distinct items: matches, violators, neighbours, accessories, …, random ones."""
        same = rng.sample(self._of((intent.wanted.name,)), min(4 * count, len(self._of((intent.wanted.name,)))))
        matching = [place for place in same if true_relevance(intent, self._items[place]) == MATCH]
        violating = sorted(set(same) - set(matching))
        neighbours, accessories, sharing = self._related.get(intent.wanted.name, ((), (), ()))
        pools = (matching, violating, self._of(neighbours), self._of(accessories), self._of(sharing))
        chosen: dict[int, None] = {}
        for (_, share), pool in zip(SHARES, pools, strict=True):
            chosen |= dict.fromkeys(rng.sample(pool, min(len(pool), max(1, round(share * count)))))
        everything = range(len(self._items))
        chosen |= dict.fromkeys(rng.sample(everything, min(len(everything), 2 * count)))
        return list(chosen)[:count]

    def _add_words(self, kind: ProductType) -> None:
        for word in dict.fromkeys(" ".join((kind.name, *kind.synonyms)).split()):
            self._types_by_word[word].append(kind.name)

    def _relations(self, kind: ProductType) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Neighbours, accessories (both ways) and types whose names share a word with this one's."""
        accessories = (*kind.accessories, *kind.goes_with)
        related = {kind.name, *kind.neighbours, *accessories}
        words = [name for word in kind.name.split() for name in self._types_by_word[word]]
        return kind.neighbours, accessories, tuple(name for name in dict.fromkeys(words) if name not in related)

    def _of(self, names: Sequence[str]) -> list[int]:
        return [place for name in names for place in self._by_type.get(name, ())]
