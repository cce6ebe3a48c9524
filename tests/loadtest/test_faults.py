from __future__ import annotations

import errno

import aiohttp
import pytest

from loadtest.faults import NO_FILES, NO_PORTS, OF_THE_SENDER, fault_of


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (aiohttp.ServerTimeoutError(), "timeout"),
        (aiohttp.ServerDisconnectedError(), "closed"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset by peer"), "reset"),
        (aiohttp.ClientOSError(errno.EMFILE, "too many open files"), NO_FILES),
        (aiohttp.ClientOSError(errno.EADDRNOTAVAIL, "no address"), NO_PORTS),
        (aiohttp.ClientOSError(errno.EHOSTUNREACH, "no route"), "not reached"),
        (aiohttp.ClientOSError(), "not reached"),
        (UnicodeError("label empty or too long"), "not reached"),
        (aiohttp.ClientPayloadError(), "cut off"),
        (aiohttp.ClientError(), "not HTTP"),
    ],
)
def test_every_failure_has_its_word(error: aiohttp.ClientError | TimeoutError | UnicodeError, kind: str) -> None:
    assert fault_of(error) == kind


def test_what_the_sender_lacks_is_known_as_its_own() -> None:
    assert {NO_FILES, NO_PORTS} == OF_THE_SENDER
