"""Slices of the held-out queries: for which kinds of query a system is better or worse."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from training.datasets.schema import Dataset, Judgement
from training.evaluation.intervals import interval_of
from training.evaluation.measure import HEADLINE, RELEVANT_TARGET, Evaluation

LARGEST_CATEGORIES = 8
SMALLEST_CATEGORY = 3
"""Queries; a category of fewer says nothing and goes to the rest."""
NEARLY_ALL = 0.9
DIGITS_OF_A_NUMBER = 3
LENGTHS = ("1 word", "2 words", "3 words", "4+ words")
CANDIDATE_BOUNDS = (5, 10, 20, 50)
"""Each the largest number of candidates of its slice; beyond the last one is one more."""
SYSTEMS = ("cosine", "teacher", "student")
DIFFERENCES = {"student_minus_teacher": ("student", "teacher"), "student_minus_cosine": ("student", "cosine")}

Slices = Mapping[str, Mapping[str, Sequence[str]]]
"""Dimension → value → its queries. Within a dimension each query has one value; an empty value is left out."""

_WORD = re.compile(r"\w+", re.UNICODE)
_SIZES = ("1–5", "6–10", "11–20", "21–50", "51 or more")
_NONE, _SOME, _ALL = "none", "some", "nearly all (90 % or more)"
_RELEVANT = (_NONE, _SOME, _ALL)


def slices_of(dataset: Dataset) -> Slices:
    """The queries of a judged dataset, cut by each dimension."""
    groups = dataset.by_query()
    names_brand = brand_finder(product.brand for product in dataset.products.values() if product.brand)
    category_of = {query: _category(dataset, judgements) for query, judgements in groups.items()}
    return {
        "query length": _cut(groups, query_length, LENGTHS),
        "brand": _cut(groups, lambda query: "names a brand" if names_brand(query) else "no brand"),
        "model number": _cut(groups, lambda query: "has one" if has_model_number(query) else "has none"),
        "category": _cut(groups, _largest(category_of), last=["other", "unknown"]),
        "candidates": _cut(groups, lambda query: _size(len(groups[query])), _SIZES),
        "relevant candidates": _cut(groups, lambda query: _relevant_share(groups[query]), _RELEVANT),
    }


def slice_figures(evaluation: Evaluation, slices: Slices) -> dict[str, Any]:
    """nDCG@10 in each slice: dimension → value → {queries, ranked, ndcg@10: system → interval, differences}.

    `ranked` counts the queries whose nDCG is defined: those with a product of any relevance.
    """
    row_of = {query: row for row, query in enumerate(evaluation.queries)}
    return {
        dimension: {
            value: _figures(evaluation, np.array([row_of[query] for query in queries], dtype=np.int64))
            for value, queries in by_value.items()
        }
        for dimension, by_value in slices.items()
    }


def query_length(query: str) -> str:
    """Number of words, as a slice's name."""
    return LENGTHS[min(max(len(query.split()), 1), len(LENGTHS)) - 1]


def brand_finder(brands: Iterable[str]) -> Callable[[str], bool]:
    """Query → whether a brand's words stand next to each other in it. The brands are gone through once."""
    known = {_words(brand) for brand in brands} - {()}
    longest = max(map(len, known), default=0)

    def names_brand(query: str) -> bool:
        words = _words(query)
        lengths = range(1, min(longest, len(words)) + 1)
        return any(words[start : start + length] in known for length in lengths for start in range(len(words)))

    return names_brand


def has_model_number(query: str) -> bool:
    """Whether a token has both letters and digits (`wh-1000xm4`, but also `500gb`), or three digits or more."""
    for token in query.split():
        digits = sum(character.isdigit() for character in token)
        if digits >= DIGITS_OF_A_NUMBER or (digits and any(character.isalpha() for character in token)):
            return True
    return False


def _relevant_share(judgements: Sequence[Judgement]) -> str:
    """Queries where none or nearly all candidates are relevant leave little to rank."""
    share = float(np.mean([judgement.target >= RELEVANT_TARGET for judgement in judgements]))
    if share == 0.0:
        return _NONE
    return _ALL if share >= NEARLY_ALL else _SOME


def _size(candidates: int) -> str:
    return _SIZES[bisect_left(CANDIDATE_BOUNDS, candidates)]


def _category(dataset: Dataset, judgements: Sequence[Judgement]) -> str:
    """Commonest product type among the query's most relevant products; the first one of equals."""
    highest = max(judgement.target for judgement in judgements)
    best = [judgement.product_id for judgement in judgements if judgement.target == highest > 0.0]
    types = Counter(kind for product_id in best if (kind := dataset.products[product_id].product_type))
    return types.most_common(1)[0][0] if types else "unknown"


def _largest(category_of: Mapping[str, str]) -> Callable[[str], str]:
    """Query → its category if that is one of the largest, else `other`."""
    sizes = Counter(category for category in category_of.values() if category != "unknown")
    largest = sizes.most_common(LARGEST_CATEGORIES)
    kept = {category for category, size in largest if size >= SMALLEST_CATEGORY} | {"unknown"}
    return lambda query: category_of[query] if category_of[query] in kept else "other"


def _cut(
    queries: Iterable[str], value_of: Callable[[str], str], order: Sequence[str] = (), last: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Queries by value: those of `order` first, then the larger before the smaller, then those of `last`."""
    groups: dict[str, list[str]] = {}
    for query in queries:
        groups.setdefault(value_of(query), []).append(query)
    others = sorted(groups.keys() - {*order, *last}, key=lambda value: (-len(groups[value]), value))
    return {value: groups[value] for value in (*order, *others, *last) if value in groups}


def _figures(evaluation: Evaluation, rows: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, Any]:
    values = evaluation.values[HEADLINE]
    present = [system for system in SYSTEMS if system in values]
    some = next(iter(values.values()))[rows]
    figures: dict[str, Any] = {
        "queries": len(rows),
        "ranked": int(np.count_nonzero(~np.isnan(some))),
        HEADLINE: {system: interval_of(values[system][rows])._asdict() for system in present},
    }
    for name, (first, second) in DIFFERENCES.items():
        if first in values and second in values:
            figures[name] = interval_of(values[first][rows] - values[second][rows])._asdict()
    return figures


def _words(text: str) -> tuple[str, ...]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return tuple(_WORD.findall(plain))
