"""Relevance checks of our own that no training run ever reads as data.

`general.jsonl`: 100 shopping queries of all kinds of shop, each with ten titles graded on the four ESCI
levels (3 exact, 2 substitute, 1 complement, 0 irrelevant). It tells whether a student that was distilled
for one shop still knows the rest of the world.
`contrast/`: cases of word order, numbers, negation and models, made of tables of words.
"""

from __future__ import annotations

from pathlib import Path

from relevance.product import Product
from training.datasets.rows import read_jsonl
from training.datasets.schema import Dataset, Judgement

TOP_GRADE = 3.0


def general_check() -> Dataset:
    """The general-domain check as a dataset; target = grade / 3."""
    products: dict[str, Product] = {}
    judgements = []
    for line, row in read_jsonl(Path(__file__).with_name("general.jsonl")):
        for number, candidate in enumerate(row["candidates"]):
            product = Product(id=f"{line}-{number}", title=candidate["title"])
            products[product.id or ""] = product
            judgements.append(Judgement(row["query"], product.id or "", candidate["grade"] / TOP_GRADE))
    return Dataset("general", products, judgements)
