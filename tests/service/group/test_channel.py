from __future__ import annotations

import asyncio
import socket
from collections import Counter

import pytest

from service.group.channel import CLOSED, READY, Teller, events, hand_over, open_channel, take_over


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
    async def tell(channel: socket.socket) -> None:
        teller = Teller(channel)
        for event in (READY, CLOSED, CLOSED):
            teller.tell(event)

    ours, theirs = open_channel()
    with ours, theirs:
        assert events(ours) == Counter()
        asyncio.run(tell(theirs))
        assert events(ours) == Counter({READY: 1, CLOSED: 2})


def test_no_event_is_lost_where_the_parent_does_not_read_for_a_while() -> None:
    async def tell_then_read() -> None:
        teller = Teller(theirs)
        for _ in range(5000):
            teller.tell(CLOSED)
        heard = 0
        async with asyncio.timeout(60):
            while heard < 5000:
                heard += (events(ours) or Counter())[CLOSED]
                await asyncio.sleep(0)
        assert not asyncio.get_running_loop().remove_writer(theirs)

    ours, theirs = open_channel()
    with ours, theirs:
        asyncio.run(tell_then_read())


async def tell_closed(channel: socket.socket) -> None:
    Teller(channel).tell(CLOSED)


@pytest.mark.parametrize("closed", ["parent", "replica"])
def test_the_end_of_either_is_noticed(closed: str) -> None:
    ours, theirs = open_channel()
    with ours, theirs:
        assert take_over(theirs) == []
        (ours if closed == "parent" else theirs).close()
        if closed == "parent":
            asyncio.run(tell_closed(theirs))
            assert take_over(theirs) is None
        else:
            assert events(ours) is None
