from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from relevance.product import Product
from relevance.template import FieldBudget, Template
from service.admission import Admission, predicted_tokens
from service.backend import BatchRun
from service.errors import OverloadedError
from service.schemas import ScoreRequest

TEMPLATE = Template(
    query_max_tokens=4, fields=(FieldBudget(field="title", max_tokens=10), FieldBudget(field="brand", max_tokens=2))
)


def request(query: str = "abcd", titles: Sequence[str] = ("abcdefgh",)) -> ScoreRequest:
    return ScoreRequest(query=query, candidates=[Product(title=title) for title in titles])


def admission(capacity: int = 100, speed: float = 10.0, concurrency: int = 2) -> Admission:
    return Admission(TEMPLATE, capacity, concurrency, speed)


def run_of(tokens: int, seconds: float) -> BatchRun:
    return BatchRun(np.zeros(1, dtype=np.float32), 0.0, seconds, tokens, tokens)


@pytest.mark.parametrize(
    ("made", "tokens"),
    [
        (request("abcd", ["abcdefgh"]), 3 + 1 + 2),
        (request("abcde", ["abcd", "abcd"]), 2 * (3 + 2 + 1)),
        (request("x" * 1000, ["abcd"]), 3 + 4 + 1),
        (request("abcd", ["x" * 1000]), 3 + 1 + 10),
    ],
)
def test_the_predicted_cost_counts_characters_within_the_budgets(made: ScoreRequest, tokens: int) -> None:
    assert predicted_tokens(made, TEMPLATE) == tokens


def test_all_fields_of_the_template_count() -> None:
    product = Product(title="abcd", brand="x" * 50, description="not read by this template")
    assert predicted_tokens(ScoreRequest(query="abcd", candidates=[product]), TEMPLATE) == 3 + 1 + 1 + 2


def test_a_ticket_holds_its_tokens_until_the_end() -> None:
    door = admission()
    with door.admit([request()]):
        assert door.outstanding == 6
    assert door.outstanding == 0


def test_a_ticket_is_given_back_when_scoring_fails() -> None:
    door = admission()
    with pytest.raises(ZeroDivisionError), door.admit([request()]):
        raise ZeroDivisionError
    assert door.outstanding == 0


def test_the_true_cost_replaces_the_predicted_one() -> None:
    door = admission()
    with door.admit([request()]) as ticket:
        door.settle(ticket, 40)
        assert door.outstanding == 40
    assert door.outstanding == 0


def test_a_body_is_admitted_whole_or_not_at_all() -> None:
    door = admission(capacity=20)
    with door.admit([request()] * 3):
        with pytest.raises(OverloadedError), door.admit([request()] * 2):
            pass
        assert door.outstanding == 18


def test_exactly_full_is_admitted() -> None:
    door = admission(capacity=12)
    with door.admit([request()]), door.admit([request()]):
        assert door.outstanding == 12


@pytest.mark.parametrize(
    ("speed", "held", "retry_after"),
    [(1000.0, 96, 1), (1.0, 99, 3), (0.5, 100, 6)],
)
def test_retry_after_is_the_predicted_wait_in_whole_seconds(speed: float, held: int, retry_after: int) -> None:
    door = admission(capacity=100, speed=speed, concurrency=2)
    with door.admit([request()]) as ticket:
        door.settle(ticket, held)
        with pytest.raises(OverloadedError) as refused, door.admit([request("abcd", ["abcdefgh"] * 1)]):
            pytest.fail("was admitted")
    assert refused.value.retry_after == retry_after
    assert refused.value.headers == {"retry-after": str(retry_after)}


def test_the_speed_follows_the_batches() -> None:
    door = admission(capacity=6, speed=0.001, concurrency=1)
    for _ in range(200):
        door.batch_done(run_of(tokens=600, seconds=0.1))
    with door.admit([request()]), pytest.raises(OverloadedError) as refused, door.admit([request()]):
        pytest.fail("was admitted")
    assert refused.value.retry_after == 1


def test_a_batch_that_took_no_time_teaches_nothing() -> None:
    door = admission(capacity=6, speed=1.0, concurrency=1)
    door.batch_done(run_of(tokens=600, seconds=0.0))
    with door.admit([request()]), pytest.raises(OverloadedError) as refused, door.admit([request()]):
        pytest.fail("was admitted")
    assert refused.value.retry_after == 6
