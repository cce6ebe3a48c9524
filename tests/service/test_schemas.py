from __future__ import annotations

import pytest

from relevance.product import Product
from service.schemas import SCORE_BODY, ScoreRequest, ScoreRequests, requests_of


def test_a_bare_string_is_a_product_with_that_title() -> None:
    body = SCORE_BODY.validate_json('{"query": "q", "candidates": ["t", {"title": "t"}]}', strict=True)
    assert requests_of(body)[0].candidates == [Product(title="t")] * 2


def test_the_key_requests_decides_the_shape() -> None:
    assert isinstance(SCORE_BODY.validate_json('{"requests": []}', strict=True), ScoreRequests)


def test_requests_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ScoreRequest(query="q", candidates=[]).query = "other"  # type: ignore[misc]
