"""The cases of the contrast check: each has one right title, which its wrong ones differ from by one thing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import pytest

from training.checks.contrast import SLICES, contrast_check
from training.checks.contrast.case import Case, ask_for_each
from training.checks.contrast.measures import COMPUTERS, MEASURES

LACKING = {"without", "no", "free", "excluding", "non", "anti", "resistant", "unscented", "unsalted", "undyed"}
LONGEST_DIFFERENCE = 4
"""Words, as in `16 GB RAM, 64` and `64 GB RAM, 16`."""

CASES = {name: make() for name, make in SLICES.items()}


def words(text: str) -> list[str]:
    """Numbers apart from letters: `16gb` and `16 GB` are the same."""
    return re.findall(r"\d+|[a-z]+", text.lower().replace("-", ""))


def holds(title: str, phrase: Sequence[str]) -> bool:
    found = words(title)
    return any(found[start : start + len(phrase)] == list(phrase) for start in range(len(found)))


def differing(one: Sequence[str], other: Sequence[str]) -> int:
    """Number of words of `one` between what both begin and what both end with."""
    before = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
    rest, other_rest = list(one[before:]), list(other[before:])
    behind = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(rest), reversed(other_rest), strict=False))
    return len(rest) - len(list(behind))


def lacks(text: str) -> bool:
    return any(word in LACKING or word.endswith("less") for word in words(text))


def asked_measure(query: str) -> list[str]:
    kinds = [" ".join(words(kind)) for kind in (*(kind for kind, _ in MEASURES), *COMPUTERS)]
    (kind,) = (kind for kind in kinds if kind in query)
    return words(query.replace(kind, ""))


def answers(name: str, case: Case, title: str) -> bool:
    """Whether a title is right, by another way than the one that made it."""
    if name == "negation":
        return lacks(case.query) == lacks(title)
    return holds(title, asked_measure(case.query) if name == "numbers and units" else words(case.query))


def test_each_slice_is_large_enough_and_none_asks_twice() -> None:
    assert all(len(cases) >= 60 for cases in CASES.values())
    asked = Counter("".join(words(case.query)) for cases in CASES.values() for case in cases)
    assert asked.most_common(1)[0][1] == 1


@pytest.mark.parametrize("name", SLICES)
def test_in_each_case_one_title_is_right_and_the_others_differ_by_one_thing(name: str) -> None:
    for case in CASES[name]:
        check(name, case)


def check(name: str, case: Case) -> None:
    assert 3 <= len(case.wrong) <= 5
    assert len({title.lower() for title in (case.right, *case.wrong)}) == 1 + len(case.wrong)
    assert answers(name, case, case.right), case
    for title in case.wrong:
        assert not answers(name, case, title), (case.query, title)
        one, other = words(case.right), words(title)
        if name == "word order":
            assert sorted({*one} - {"for", "with"}) == sorted({*other} - {"for", "with"})
            assert len(one) == len(other)
        else:
            difference = max(differing(one, other), differing(other, one))
            assert 0 < difference <= LONGEST_DIFFERENCE, (case.right, title)
            assert len(set(one) & set(other)) >= 2


def test_a_query_is_written_in_more_ways_than_its_title() -> None:
    queries = {case.query for case in CASES["numbers and units"]}
    assert {"2m hdmi cable", "monitor 24 inch", "64gb ram laptop", "laptop 16 gb ram"} <= queries
    assert {"sony wh-1000xm3 headphones", "sony wh1000xm4 headphones"} <= {c.query for c in CASES["brand and model"]}
    same = [holds(case.right, words(case.query)) for case in CASES["negation"]]
    assert 0.1 < sum(same) / len(same) < 0.6


def test_every_title_of_a_group_is_right_once() -> None:
    cases = ask_for_each([("a", "A"), ("b", "B"), ("c", "C"), ("see", "C")])
    assert [case.right for case in cases] == ["A", "B", "C", "C"]
    assert [case.wrong for case in cases] == [("B", "C"), ("A", "C"), ("A", "B"), ("A", "B")]


def test_it_is_a_dataset_and_the_same_every_time() -> None:
    dataset, slices = contrast_check()
    groups = dataset.by_query()
    for judgements in groups.values():
        assert sorted(judgement.target for judgement in judgements)[-2:] == [0.0, 1.0]
        assert {judgement.target for judgement in judgements} == {0.0, 1.0}
    assert [query for queries in slices.values() for query in queries] == list(groups)
    first = CASES["word order"][0]
    right = [dataset.products[j.product_id].title for j in groups[first.query] if j.target == 1.0]
    assert right == [first.right]
    assert len(dataset.products) == len(dataset.judgements)
    assert contrast_check() == (dataset, slices)
