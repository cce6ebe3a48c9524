"""Requests whose pairs all have one length, so that a bucket and a request are the same work."""

from __future__ import annotations

from loadtest.workload import Body, Workload
from relevance.pair_encoding import PairEncoder
from relevance.product import Product

FILLER = "red"
"""One token of every English BERT."""


def bodies_of_length(rule: PairEncoder, length: int, candidates: int, count: int) -> list[Body]:
    """`count` bodies of POST /score whose pairs are `length` tokens long; ValueError if the template cuts them."""
    return [_lengthened(rule, body, length) for body in Workload(seed=0, candidates=candidates).bodies(count)]


def _lengthened(rule: PairEncoder, body: Body, length: int) -> Body:
    (query,) = rule.encode_queries([body["query"]])
    candidates = []
    for candidate in body["candidates"]:
        words = candidate["title"].split()
        while (tokens := _tokens(rule, words)) + len(query.ids) + 3 > length:
            words.pop()
        words += [FILLER] * (length - tokens - len(query.ids) - 3)
        if _tokens(rule, words) + len(query.ids) + 3 != length:
            raise ValueError(f"the bundle's template cannot hold pairs of {length} tokens; measure a shorter bucket")
        candidates.append({**candidate, "title": " ".join(words)})
    return {**body, "candidates": candidates}


def _tokens(rule: PairEncoder, words: list[str]) -> int:
    (encoded,) = rule.encode_products([Product(title=" ".join(words) or FILLER)])
    return len(encoded.ids)
