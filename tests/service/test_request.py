from __future__ import annotations

import pytest

from service.request import Candidate, Request


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
    request = Request("q", [Candidate(None, prior, guess=1) for prior in priors])
    assert request.prior_order() == order
