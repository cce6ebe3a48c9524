from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import DrainingError, NotReadyError, ServiceError
from service.health import STUCK_THREADS_PER_SESSION, Health


def health(
    draining: bool = False, saturated: bool = False, alive: bool = True, stuck: int = 0, concurrency: int = 2
) -> Health:
    parts: list[Any] = [
        SimpleNamespace(draining=draining),
        SimpleNamespace(saturated=saturated),
        SimpleNamespace(alive=alive, trouble="The scoring engine does not run."),
        SimpleNamespace(stuck=stuck, concurrency=concurrency),
    ]
    return Health(*parts)


def test_a_healthy_replica_is_alive_and_ready() -> None:
    health().check_alive()
    health().check_ready()


@pytest.mark.parametrize(
    ("state", "error", "word"),
    [
        ({"draining": True}, DrainingError, "shutting down"),
        ({"alive": False}, NotReadyError, "does not run"),
        ({"stuck": 1}, NotReadyError, "hang"),
        ({"saturated": True}, NotReadyError, "queue is full"),
    ],
)
def test_readiness_is_off_and_says_why(state: dict[str, Any], error: type[ServiceError], word: str) -> None:
    with pytest.raises(error, match=word):
        health(**state).check_ready()


@pytest.mark.parametrize(
    ("state", "alive"),
    [
        ({"draining": True, "alive": False}, True),
        ({"saturated": True}, True),
        ({"alive": False}, False),
        ({"stuck": 2 * STUCK_THREADS_PER_SESSION - 1}, True),
        ({"stuck": 2 * STUCK_THREADS_PER_SESSION}, False),
    ],
)
def test_only_what_a_restart_mends_asks_for_one(state: dict[str, Any], alive: bool) -> None:
    if alive:
        health(**state).check_alive()
    else:
        with pytest.raises(NotReadyError):
            health(**state).check_alive()
