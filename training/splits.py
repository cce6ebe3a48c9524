"""Splitting judgements by query, with near-duplicate queries kept on one side."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from training.checks import general_check
from training.datasets.schema import Dataset
from training.errors import DataError

_ACCENTED = ("LATIN", "GREEK", "CYRILLIC")
"""Scripts in which a mark is an accent that a query may lack; in others, marks are vowels or tell consonants apart."""
_APOSTROPHE = re.compile("['’]")
_MIN_STEM = 2
SHARE_TOLERANCE = 1 / 3
"""How far the share held out may be from the one asked for before it is said, as a part of that."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Split:
    """One dataset cut in two by query; `official` if by its publisher, not by us."""

    train: Dataset
    held_out: Dataset
    official: bool = False


def query_key(query: str) -> str:
    """What near-duplicate queries share: their words in any order, without case, accents and plural endings.

    A query without words, as one of emoji, is near no other.
    """
    decomposed = _APOSTROPHE.sub("", unicodedata.normalize("NFKD", query.casefold()))
    plain = "".join(_word_characters(decomposed))
    return " ".join(sorted({_stem(word) for word in plain.split()})) or " ".join(query.split())


def held_out_digest(split: Split) -> str:
    """Which queries are held out: a run that has learnt from others must not go on."""
    queries = sorted(split.held_out.by_query())
    return hashlib.sha256(json.dumps(queries).encode()).hexdigest()


def split_as_ever(split: Split) -> bool:
    """Whether every version of `query_key` splits these queries alike: they have differed in other scripts only."""
    return all(query.isascii() for part in (split.train, split.held_out) for query in part.by_query())


def split_by_query(dataset: Dataset, held_out_fraction: float, seed: int, fold: int = 0) -> Split:
    """Hold out `held_out_fraction` of the queries (at least one on each side), whole key groups at a time.

    The seed shuffles the queries once; `fold` 0, 1, 2 ... holds out the first, second, third ... such part of
    them, so that cross-validation judges every query once. A dataset with held-out queries of its own is split
    by these, whatever fraction and seed, and has but one fold. What is left to learn from is `apart_from_checks`.
    """
    if dataset.held_out_queries is not None:
        if fold:
            raise DataError(
                f"dataset {dataset.name}: fold is {fold}, but its own split holds out the same queries in every fold; "
                "use another split (esci: split=random), or fold 0"
            )
        return apart_from_checks(_official_split(dataset, dataset.held_out_queries))
    groups: dict[str, list[str]] = defaultdict(list)
    for query in dataset.by_query():
        groups[query_key(query)].append(query)
    queries = sum(map(len, groups.values()))
    if len(groups) < 2:
        raise DataError(f"dataset {dataset.name}: a split needs two distinct queries, found {_few(groups)}")
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    wanted = max(1, round(held_out_fraction * queries))
    held_out: set[str] = set()
    passed = 0
    for key in keys[:-1] if fold == 0 else keys:
        if passed >= (fold + 1) * wanted:
            break
        if passed >= fold * wanted:
            held_out.update(groups[key])
        passed += len(groups[key])
    if not held_out:
        raise DataError(f"dataset {dataset.name}: fold {fold} of {wanted} queries each lies past its {passed} queries")
    if len(groups) < queries:
        # The last fold is what is left.
        _tell_share(dataset.name, len(held_out), max(1, min(wanted, queries - fold * wanted)), queries)
    split = Split(train=_only(dataset, held_out, inside=False), held_out=_only(dataset, held_out, inside=True))
    check_leakage(split.train.by_query(), held_out)
    return apart_from_checks(split)


def _few(groups: Mapping[str, Sequence[str]]) -> str:
    """How many distinct queries there are, at most one."""
    alike = next(iter(groups.values()), ())
    if len(alike) < 2:
        return str(len(alike))
    return (
        f"1: its {len(alike)} queries, such as {alike[0]!r} and {alike[1]!r}, count as near-duplicates of one another "
        "(the same words but for case, order, accents and plural endings)"
    )


def _tell_share(name: str, held_out: int, asked: int, queries: int) -> None:
    """Say that near-duplicates have made the share held out another than was asked for."""
    if abs(held_out - asked) > SHARE_TOLERANCE * asked:
        log.warning(
            "%s: %d of %d queries (%.0f %%) are held out, where %.0f %% are asked for (held_out_fraction): "
            "near-duplicate queries stay on one side together",
            *(name, held_out, queries, 100 * held_out / queries, 100 * asked / queries),
        )


def apart_from_checks(split: Split) -> Split:
    """The split without judged training queries that are near-duplicates of the general check's.

    The teacher and, through the pool, the student learn from `train` as it is: what the check asks must not be in it.
    """
    train = without_queries(split.train, _checked_queries())
    if left_out := len(split.train.by_query()) - len(train.by_query()):
        message = "%s: training queries left out as near-duplicates of the general check's: %d"
        log.info(message, train.name, left_out)
    if not train.judgements:
        raise DataError(f"dataset {train.name}: all of its training queries are also queries of the general check")
    return replace(split, train=train)


def without_held_out(queries: Iterable[str], held_out: Collection[str]) -> list[str]:
    """The queries that are neither held out nor near-duplicates of one that is."""
    forbidden = {query_key(query) for query in held_out}
    return [query for query in queries if query_key(query) not in forbidden]


def without_queries(dataset: Dataset, held_out: Collection[str]) -> Dataset:
    """The dataset without the judgements of held-out queries and their near-duplicates."""
    allowed = set(without_held_out(dataset.by_query(), held_out))
    return replace(dataset, judgements=[j for j in dataset.judgements if j.query in allowed])


@cache
def _checked_queries() -> frozenset[str]:
    return frozenset(general_check().by_query())


def check_leakage(training_queries: Iterable[str], held_out: Collection[str]) -> None:
    """Raise DataError if a training query is a held-out query or a near-duplicate of one."""
    forbidden = {query_key(query): query for query in held_out}
    for query in training_queries:
        if twin := forbidden.get(query_key(query)):
            raise DataError(f"leakage: the training query {query!r} is a near-duplicate of the held-out {twin!r}")


def _official_split(dataset: Dataset, held_out: frozenset[str]) -> Split:
    """The publisher's split, with the near-duplicates of held-out queries taken out of the training side."""
    train, test = _only(dataset, held_out, inside=False), _only(dataset, held_out, inside=True)
    clean = without_queries(train, held_out)
    dropped = len(train.by_query()) - len(clean.by_query())
    log.info("%s: training queries left out as near-duplicates of held-out ones: %d", dataset.name, dropped)
    for side, name in ((clean, "training"), (test, "held-out")):
        if not side.judgements:
            raise DataError(f"dataset {dataset.name}: its own split leaves no {name} queries")
    check_leakage(clean.by_query(), held_out)
    return Split(train=clean, held_out=test, official=True)


def _only(dataset: Dataset, held_out: Collection[str], *, inside: bool) -> Dataset:
    kept = [judgement for judgement in dataset.judgements if (judgement.query in held_out) == inside]
    return replace(dataset, judgements=kept, held_out_queries=None)


def _word_characters(decomposed: str) -> Iterator[str]:
    """The text with a space for what is in no word, and without accents."""
    base = ""
    for character in decomposed:
        if not unicodedata.category(character).startswith("M"):
            base = character
            yield character if character.isalnum() or character == "_" else " "
        elif _tells_apart(base, character):
            yield character


def _tells_apart(base: str, mark: str) -> bool:
    """Whether `mark` after `base` makes another word."""
    if not base.isalpha() or unicodedata.name(base, "").startswith(_ACCENTED):
        return False
    # Only the look of the character.
    return not unicodedata.name(mark, "").startswith("VARIATION SELECTOR")


def _stem(word: str) -> str:
    """The same for a noun's singular and plural: dress(es), box(es), hoodie(s), battery/-ies, tv(s)."""
    if len(word) > _MIN_STEM and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if len(word) > _MIN_STEM + 1:
        word = word.removesuffix("e")
    return word[:-1] + "y" if word.endswith("i") else word
