from __future__ import annotations

import socket
from collections import Counter

import pytest

from service.group.channel import CLOSED, READY, events, hand_over, open_channel, take_over, tell


def test_a_connection_goes_over_and_works_at_the_other_end() -> None:
    ours, theirs = open_channel()
    client, accepted = socket.socketpair()
    with ours, theirs, client:
        with accepted:
            assert hand_over(ours, accepted)
        (taken,) = take_over(theirs) or []
        with taken:
            taken.sendall(b"hello")
            assert client.recv(16) == b"hello"
        assert client.recv(16) == b""


def test_many_that_wait_all_go_over() -> None:
    ours, theirs = open_channel()
    pairs = [socket.socketpair() for _ in range(100)]
    with ours, theirs:
        for _, accepted in pairs:
            assert hand_over(ours, accepted)
            accepted.close()
        taken: list[socket.socket] = []
        while more := take_over(theirs):
            taken += more
        assert len(taken) == len(pairs)
        for (client, _), connection in zip(pairs, taken, strict=True):
            connection.sendall(b"x")
            assert client.recv(1) == b"x"
            connection.close()
            client.close()


def test_nothing_is_given_to_an_end_that_is_gone_or_full() -> None:
    ours, theirs = open_channel()
    client, accepted = socket.socketpair()
    with client, accepted, ours:
        with theirs:
            given = 0
            while hand_over(ours, accepted):
                given += 1
            assert given
        assert not hand_over(ours, accepted)
        assert events(ours) is None


def test_events_are_counted() -> None:
    ours, theirs = open_channel()
    with ours, theirs:
        assert events(ours) == Counter()
        tell(theirs, READY)
        tell(theirs, CLOSED)
        tell(theirs, CLOSED)
        assert events(ours) == Counter({READY: 1, CLOSED: 2})


@pytest.mark.parametrize("closed", ["parent", "replica"])
def test_the_end_of_either_is_noticed(closed: str) -> None:
    ours, theirs = open_channel()
    with ours, theirs:
        assert take_over(theirs) == []
        (ours if closed == "parent" else theirs).close()
        if closed == "parent":
            tell(theirs, CLOSED)
            assert take_over(theirs) is None
        else:
            assert events(ours) is None
