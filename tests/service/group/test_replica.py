from __future__ import annotations

from service.group.replica import LONGEST_REST, rest_after


def test_a_replica_that_does_not_come_up_is_started_again_more_and_more_seldom_for_ever() -> None:
    assert [rest_after(failures) for failures in range(7)] == [1, 2, 4, 8, 16, LONGEST_REST, LONGEST_REST]
    assert rest_after(10_000) == LONGEST_REST
