from __future__ import annotations

import logging
import resource

import pytest

from service import open_files
from service.errors import SettingsError
from service.open_files import DEFAULT_CONNECTIONS, RESERVED_FILES, connections_allowed


class Limits:
    """The process's limit of open files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.now = (soft, hard)
        monkeypatch.setattr(open_files.resource, "getrlimit", lambda _: self.now)
        monkeypatch.setattr(open_files.resource, "setrlimit", self._set)

    def _set(self, _: int, limits: tuple[int, int]) -> None:
        self.now = limits


@pytest.mark.parametrize("hard", [20_000, resource.RLIM_INFINITY])
def test_the_soft_limit_is_raised_as_far_as_needed(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    limits = Limits(monkeypatch, 1024, hard)
    assert connections_allowed(None) == DEFAULT_CONNECTIONS
    assert limits.now == (DEFAULT_CONNECTIONS + RESERVED_FILES, hard)
    assert connections_allowed(12_000) == 12_000
    assert limits.now == (12_000 + RESERVED_FILES, hard)


@pytest.mark.parametrize("soft", [50_000, resource.RLIM_INFINITY])
def test_a_soft_limit_that_is_high_enough_stays(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    limits = Limits(monkeypatch, soft, resource.RLIM_INFINITY)
    assert connections_allowed(None) == DEFAULT_CONNECTIONS
    assert limits.now[0] == soft


def test_the_hard_limit_bounds_the_default_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(monkeypatch, 1024, 4096)
    with caplog.at_level(logging.WARNING):
        assert connections_allowed(None) == 4096 - RESERVED_FILES
    assert limits.now == (4096, 4096)
    assert [record.getMessage() for record in caplog.records] == ["open files bound the connections"]


@pytest.mark.parametrize(("asked", "hard"), [(4096, 4096), (None, RESERVED_FILES), (1, RESERVED_FILES)])
def test_what_the_hard_limit_does_not_allow_is_refused(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, hard: int
) -> None:
    Limits(monkeypatch, 100, hard)
    with pytest.raises(SettingsError, match=rf"AISLE_MAX_CONNECTIONS .* the {hard} files"):
        connections_allowed(asked)
