"""The contrast check: each query has one title that answers it, and others that differ from that by one thing.

The things are those which a student may miss whose product side never sees the query:

word_order.py      "dog toy" and "toy dog", "case for iphone" and "iphone with case"
measures.py        numbers and units, and what a number is of
negation.py        with and without
model_numbers.py   models and brands
kinds.py           the control: another kind of product
case.py            a case, and how a group of titles becomes cases
accuracy.py        what is measured on them; __main__.py: `python -m training.checks.contrast`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from relevance.product import Product
from training.checks.contrast.case import Case
from training.checks.contrast.kinds import kind_cases
from training.checks.contrast.measures import measure_cases
from training.checks.contrast.model_numbers import model_cases
from training.checks.contrast.negation import negation_cases
from training.checks.contrast.word_order import word_order_cases
from training.datasets.schema import Dataset, Judgement

__all__ = ["SLICES", "Contrast", "contrast_check"]

SLICES: Mapping[str, Callable[[], list[Case]]] = {
    "word order": word_order_cases,
    "numbers and units": measure_cases,
    "negation": negation_cases,
    "brand and model": model_cases,
    "kind (control)": kind_cases,
}


class Contrast(NamedTuple):
    """The check's judgements, and slice → its queries; every query is in one slice."""

    dataset: Dataset
    slices: Mapping[str, Sequence[str]]


def contrast_check() -> Contrast:
    """The check as a dataset; target 1 for the one right title, 0 for the others."""
    cases = {name: make() for name, make in SLICES.items()}
    products: dict[str, Product] = {}
    judgements = []
    for number, case in enumerate(case for each in cases.values() for case in each):
        for place, title in enumerate((case.right, *case.wrong)):
            product_id = f"{number}-{place}"
            products[product_id] = Product(id=product_id, title=title)
            judgements.append(Judgement(case.query, product_id, 0.0 if place else 1.0))
    slices = {name: [case.query for case in each] for name, each in cases.items()}
    return Contrast(Dataset("contrast", products, judgements), slices)
