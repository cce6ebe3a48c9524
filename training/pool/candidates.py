"""Which of the retrieved products become a query's candidates, and why each did. Pure.

Beside the top of two rankings, a margin teaches where the retrievers disagree (what one of them ranks high
and the other does not find is where a first stage errs; mined so by the sponsored-search follow-up,
arXiv 2606.23911), among products of one category, and against what is plainly irrelevant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from training.config import PoolSettings
from training.pool.pairs import Source
from training.pool.retrievers import Rows

HIGH = 0.25
"""Share of a ranking's depth that counts as ranked high by that retriever."""
LOW = 0.5
"""From this share of the depth on, and when absent, a product counts as ranked low by the other one."""
OVERLAP_DEPTH = 10
"""How many of each retriever's first products are compared to tell how far the two agree."""

Candidates = dict[int, Source]
"""Product row → why it is there, in the order in which they were chosen."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the retrievers found for one query, best first, and the products of the query's category."""

    lexical: Rows
    dense: Rows
    category: Rows


def slots_of(settings: PoolSettings) -> dict[Source, int]:
    """How many of a query's candidates each source gets: the shares, rounded so that they add up."""
    shares = {
        Source.LEXICAL: settings.lexical_share,
        Source.DENSE: settings.dense_share,
        Source.DISAGREEMENT: settings.disagreement_share,
        Source.CATEGORY: settings.category_share,
    }
    shares[Source.RANDOM] = max(0.0, 1.0 - sum(shares.values()))
    return dict(zip(shares, apportion(settings.candidates_per_query, list(shares.values())), strict=True))


def apportion(count: int, shares: Sequence[float]) -> list[int]:
    """`count` cut into whole parts close to its `shares`, which sum to 1 (largest remainders)."""
    exact = [count * share for share in shares]
    parts = [int(part + 1e-9) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda place: parts[place] - exact[place])
    for place in by_remainder[: count - sum(parts)]:
        parts[place] += 1
    return parts


def choose_candidates(
    retrieved: Retrieved, slots: Mapping[Source, int], products: int, rng: np.random.Generator
) -> Candidates:
    """Distinct product rows for one query, as many as there are slots if there are so many `products`.

    A slot that its source cannot fill goes to a random product.
    """
    wanted = min(sum(slots.values()), products)
    chosen: Candidates = {}
    _add(chosen, stratified(retrieved.lexical, slots[Source.LEXICAL], rng), Source.LEXICAL)
    _add(chosen, stratified(retrieved.dense, slots[Source.DENSE], rng), Source.DENSE)
    contested = rng.permutation(disputed(retrieved.lexical, retrieved.dense, OVERLAP_DEPTH))
    _add(chosen, contested.tolist(), Source.DISAGREEMENT, slots[Source.DISAGREEMENT])
    # Twice what is asked for: what is chosen already falls out, and one draw is then nearly always enough.
    near = retrieved.category[rng.integers(0, len(retrieved.category), size=2 * slots[Source.CATEGORY])]
    _add(chosen, near.tolist(), Source.CATEGORY, slots[Source.CATEGORY])
    if wanted > products // 2:
        _add(chosen, rng.permutation(products).tolist(), Source.RANDOM, wanted - len(chosen))
    while len(chosen) < wanted:
        fill = rng.integers(0, products, size=2 * (wanted - len(chosen)))
        _add(chosen, fill.tolist(), Source.RANDOM, wanted - len(chosen))
    return chosen


def stratified(ranked: Rows, count: int, rng: np.random.Generator) -> list[int]:
    """`count` of the `ranked` rows (best first), one from each stratum; strata widen with the rank.

    The top of a ranking is where margins are small and matter, so half of the strata lie in its first quarter.
    """
    return [int(ranked[rng.integers(low, high)]) for low, high in _strata(len(ranked), count)]


def disputed(lexical: Rows, dense: Rows, least: int) -> Rows:
    """Rows that one ranking has high and the other low or not at all.

    Empty where one retriever knows nothing of the query: that is ignorance, not another opinion. Rankings
    are measured by the longer one's depth, but the first `least` rows always count as high.
    """
    if not len(lexical) or not len(dense):
        return np.zeros(0, dtype=np.int64)
    depth = max(len(lexical), len(dense))
    high, low = max(least, round(HIGH * depth)), max(2 * least, round(LOW * depth))
    sides = ((lexical, dense), (dense, lexical))
    rows = [row for one, other in sides for row in _absent(one[:high].tolist(), other[:low].tolist())]
    return np.array(rows, dtype=np.int64)


def overlap(lexical: Rows, dense: Rows) -> float:
    """Jaccard index of the first OVERLAP_DEPTH rows of the two rankings."""
    one, other = set(lexical[:OVERLAP_DEPTH].tolist()), set(dense[:OVERLAP_DEPTH].tolist())
    return len(one & other) / max(1, len(one | other))


def _add(chosen: Candidates, rows: Iterable[int], source: Source, most: int | None = None) -> None:
    """Add the rows that are not there yet, at most `most` of them."""
    for row in rows:
        if most == 0:
            return
        if row not in chosen:
            chosen[row] = source
            most = most and most - 1


def _absent(rows: Sequence[int], others: Sequence[int]) -> Iterable[int]:
    known = set(others)
    return (row for row in rows if row not in known)


@cache
def _strata(length: int, count: int) -> list[tuple[int, int]]:
    edges: npt.NDArray[np.int64] = np.unique(np.round(length * np.linspace(0.0, 1.0, count + 1) ** 2).astype(np.int64))
    return list(pairwise(edges.tolist()))
