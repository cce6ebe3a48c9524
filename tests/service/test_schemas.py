from __future__ import annotations

import pytest

from relevance.product import Product
from service.schemas import SCORE_BODY, ScoreRequest, ScoreRequests, requests_of


def request(*priors: float | None) -> ScoreRequest:
    return ScoreRequest(query="q", candidates=[Product(title="t", prior=prior) for prior in priors])


@pytest.mark.parametrize(
    ("priors", "order"),
    [
        ((None, None, None), [0, 1, 2]),
        ((1.0, 3.0, 2.0), [1, 2, 0]),
        ((1.0, 1.0, 2.0), [2, 0, 1]),
        ((None, -5.0, None, 0.0), [3, 1, 0, 2]),
    ],
)
def test_priors_order_high_to_low_and_request_order_breaks_ties(
    priors: tuple[float | None, ...], order: list[int]
) -> None:
    assert request(*priors).prior_order() == order


def test_a_bare_string_is_a_product_with_that_title() -> None:
    body = SCORE_BODY.validate_json('{"query": "q", "candidates": ["t", {"title": "t"}]}', strict=True)
    assert requests_of(body)[0].candidates == [Product(title="t")] * 2


def test_the_key_requests_decides_the_shape() -> None:
    assert isinstance(SCORE_BODY.validate_json('{"requests": []}', strict=True), ScoreRequests)


def test_requests_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        request(1.0).query = "other"  # type: ignore[misc]
