from __future__ import annotations

from collections.abc import Sequence

import pytest

from relevance.product import Product
from relevance.template import FieldBudget, Template
from service.admission import Admission, predicted_tokens
from service.engine_speed import EngineSpeed
from service.errors import DeadlineExceededError, OverloadedError
from service.request import Candidate, Request

TEMPLATE = Template(
    query_max_tokens=4, fields=(FieldBudget(field="title", max_tokens=10), FieldBudget(field="brand", max_tokens=2))
)


def request(query: str = "abcd", titles: Sequence[str] = ("abcdefgh",), priority: int = 0) -> Request:
    candidates = [Candidate.of(Product(title=title), TEMPLATE) for title in titles]
    return Request(query, candidates, priority=priority)


def admission(capacity: int = 100, speed: float = 20.0, backlog: int = 0) -> Admission:
    return Admission(TEMPLATE, capacity, EngineSpeed(1, speed), lambda priority: backlog)


@pytest.mark.parametrize(
    ("made", "tokens"),
    [
        (request("abcd", ["abcdefgh"]), 3 + 1 + 2),
        (request("abcde", ["abcd", "abcd"]), 2 * (3 + 2 + 1)),
        (request("x" * 1000, ["abcd"]), 3 + 4 + 1),
        (request("abcd", ["x" * 1000]), 3 + 1 + 10),
    ],
)
def test_the_predicted_cost_counts_characters_within_the_budgets(made: Request, tokens: int) -> None:
    assert predicted_tokens(made, TEMPLATE) == tokens


def test_all_fields_of_the_template_count() -> None:
    product = Product(title="abcd", brand="x" * 50, description="not read by this template")
    assert predicted_tokens(Request("abcd", [Candidate.of(product, TEMPLATE)]), TEMPLATE) == 3 + 1 + 1 + 2


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
    [(2000.0, 96, 1), (2.0, 99, 3), (1.0, 100, 6)],
)
def test_retry_after_is_the_predicted_wait_in_whole_seconds(speed: float, held: int, retry_after: int) -> None:
    door = admission(capacity=100, speed=speed)
    with door.admit([request()]) as ticket:
        door.settle(ticket, held)
        with pytest.raises(OverloadedError) as refused, door.admit([request("abcd", ["abcdefgh"] * 1)]):
            pytest.fail("was admitted")
    assert refused.value.retry_after == retry_after
    assert refused.value.headers == {"retry-after": str(retry_after)}


@pytest.mark.parametrize(
    ("backlog", "seconds_left", "admitted"),
    [
        # Cost 6 at 20 tokens/s: 0.3 s alone, and as much again behind one other.
        (0, 0.35, True),
        (0, 0.01, True),
        (40, 3.0, True),
        (40, 0.61, True),
        (6, 0.59, False),
    ],
)
def test_a_body_that_would_be_late_for_the_work_ahead_is_refused(
    backlog: int, seconds_left: float, admitted: bool
) -> None:
    door = admission(backlog=backlog)
    with door.admit([request()]) as ticket:
        door.settle(ticket, 6)
        if admitted:
            with door.admit([request()], seconds_left):
                assert door.outstanding == 12
        else:
            with pytest.raises(OverloadedError) as refused, door.admit([request()], seconds_left):
                pytest.fail("was admitted")
            assert refused.value.retry_after == 1
            assert door.outstanding == 6


def test_a_small_body_does_not_count_on_waiting_for_a_large_one() -> None:
    door = admission(capacity=10_000, backlog=5_000)
    with door.admit([request(titles=["abcd"] * 1000)]), door.admit([request()], seconds_left=1.0):
        assert door.outstanding > 5_000


def test_a_large_body_counts_on_waiting_for_all_the_work_ahead() -> None:
    door = admission(capacity=10_000, backlog=200)
    with door.admit([request()] * 10) as ticket:
        door.settle(ticket, 200)
        with pytest.raises(OverloadedError), door.admit([request()] * 100, seconds_left=39.0):
            pytest.fail("was admitted")
        with door.admit([request()] * 100, seconds_left=50.0):
            pass


def test_work_that_is_admitted_and_not_yet_submitted_lies_ahead_too() -> None:
    door = admission(capacity=1000)
    with door.admit([request()] * 50) as ticket:
        with pytest.raises(OverloadedError), door.admit([request()] * 50, seconds_left=20.0):
            pytest.fail("was admitted")
        door.settle(ticket, 300)
        with door.admit([request()] * 50, seconds_left=20.0):
            pass


def test_the_backlog_is_that_of_the_body_s_priority() -> None:
    asked = []

    def backlog(priority: int) -> int:
        asked.append(priority)
        return 0

    door = Admission(TEMPLATE, 100, EngineSpeed(1, 20.0), backlog)
    with door.admit([request(priority=priority) for priority in (7, 3)]):
        assert asked == [3]


def test_a_full_queue_is_saturated_until_half_of_it_is_gone() -> None:
    door = admission(capacity=20)
    assert not door.saturated
    with door.admit([request()]):
        with door.admit([request()] * 2):
            with pytest.raises(OverloadedError), door.admit([request()]):
                pass
            assert door.saturated
        assert not door.saturated


def test_a_refusal_for_time_does_not_turn_readiness_off() -> None:
    door = admission(backlog=1000)
    with door.admit([request()]):
        with pytest.raises(OverloadedError), door.admit([request()], seconds_left=0.59):
            pass
        assert not door.saturated


def missed(door: Admission, seconds_left: float, times: int = 1) -> None:
    for _ in range(times):
        with door.admit([request()], seconds_left) as ticket:
            door.answered(ticket, in_time=False)


def admits(door: Admission, seconds_left: float) -> bool:
    """Whether a body of 0.3 s is let in behind another such."""
    with door.admit([request()]) as other:
        door.settle(other, 6)
        try:
            with door.admit([request()], seconds_left):
                return True
        except OverloadedError:
            return False


def test_missed_deadlines_make_it_more_careful_and_kept_ones_bolder() -> None:
    door = admission(backlog=6)
    assert admits(door, 0.61)
    missed(door, 9.0, times=20)
    assert 0.05 < door.margin.seconds < 0.1
    assert not admits(door, 0.61)
    assert admits(door, 0.75)
    for _ in range(1000):
        with door.admit([request()], 9.0) as ticket:
            door.answered(ticket, in_time=True)
    assert door.margin.seconds == 0
    assert admits(door, 0.61)


def test_the_margin_takes_no_more_than_half_of_the_slack_and_so_never_shuts_the_door() -> None:
    door = admission(backlog=6)
    missed(door, 9.0, times=2000)
    assert door.margin.seconds > 4
    # 0.3 s alone and 0.3 s behind the other.
    assert admits(door, 0.91)
    assert not admits(door, 0.89)


def test_a_request_that_missed_its_deadline_raises_the_margin_no_further_than_half_of_its_own_slack() -> None:
    door = admission()
    missed(door, 0.4, times=100)
    assert door.margin.seconds == pytest.approx(0.05)


def test_a_missed_deadline_with_nothing_scored_counts_as_late() -> None:
    door = admission()
    with pytest.raises(DeadlineExceededError), door.admit([request()], 0.5):
        raise DeadlineExceededError("late")
    assert door.margin.seconds > 0


def test_bodies_that_left_had_no_deadline_or_could_not_be_whole_say_nothing_about_lateness() -> None:
    door = admission()
    with door.admit([request()]) as ticket:
        door.answered(ticket, in_time=False)
    with door.admit([request()], 0.29) as ticket:
        door.answered(ticket, in_time=False)
    with pytest.raises(KeyboardInterrupt), door.admit([request()], 0.5):
        raise KeyboardInterrupt
    assert door.margin.seconds == 0
    missed(door, 9.0)
    before = door.margin.seconds
    with door.admit([request()], 0.29) as ticket:
        door.answered(ticket, in_time=True)
    assert door.margin.seconds == before


def test_work_is_hurried_that_is_not_expected_to_be_done_in_time() -> None:
    door = admission()
    # 6 tokens take 0.3 s.
    assert door.is_hurried(6, 0.29)
    assert not door.is_hurried(6, 0.31)
    assert not door.is_hurried(6, float("inf"))
    missed(door, 9.0, times=20)
    assert door.is_hurried(6, 0.31)


def test_a_body_that_is_too_large_for_its_deadline_waits_for_half_of_it_at_most() -> None:
    door = admission(backlog=2)
    with door.admit([request()]) as other:
        door.settle(other, 6)
        with door.admit([request()], 0.21):
            pass
        with pytest.raises(OverloadedError), door.admit([request()], 0.19):
            pytest.fail("was admitted")


def test_products_by_id_cost_little_and_wait_for_the_work_ahead() -> None:
    body = Request("abcd", [Candidate(str(number), None, guess=0) for number in range(15)])
    door = admission(capacity=50)
    with door.admit([body]):
        assert door.outstanding == 30
        with pytest.raises(OverloadedError), door.admit([body]):
            pytest.fail("was admitted")
    # 1.5 s alone at 20 tokens/s, and as much again behind another body's work.
    door = admission(backlog=40)
    with door.admit([request()]), pytest.raises(OverloadedError), door.admit([body], 2.0):
        pytest.fail("was admitted")


def test_the_door_learns_what_share_of_a_guess_bodies_cost() -> None:
    door = admission(capacity=10**6)
    body = [request("abcd", ["x" * 4000] * 50)]
    with door.admit(body) as ticket:
        guess = ticket.tokens
    for _ in range(200):
        with door.admit(body) as ticket:
            door.settle(ticket, guess // 10)
    with door.admit(body) as ticket:
        assert ticket.tokens == pytest.approx(guess / 10, rel=0.2)


def test_what_was_learnt_of_other_texts_does_not_predict_more_than_the_template_lets_the_model_read() -> None:
    door = admission(capacity=2 * TEMPLATE.max_length)
    for _ in range(3000):
        with door.admit([request(titles=["abcd"])]) as ticket:
            # Texts of many tokens a character: four times what the characters say.
            door.settle(ticket, 4 * ticket.guess)
    longest = request("x" * 100, titles=["x" * 100] * 2)
    with door.admit([longest]):
        assert door.outstanding == 2 * TEMPLATE.max_length
