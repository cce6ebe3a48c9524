from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.gathered_writes import LARGE_BYTES, GatheredWrites


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": "somebody"})
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def scenario(run: Callable[[GatheredWrites, Transport], Awaitable[None]]) -> None:
    async def main() -> None:
        transport = Transport()
        await run(GatheredWrites(transport, asyncio.get_running_loop()), transport)

    asyncio.run(main())


def test_what_is_written_in_one_turn_is_sent_together() -> None:
    async def run(gathered: GatheredWrites, transport: Transport) -> None:
        gathered.write(b"head")
        gathered.write(b"body")
        assert transport.writes == []
        await asyncio.sleep(0)
        assert transport.writes == [b"headbody"]
        gathered.write(b"later")
        await asyncio.sleep(0)
        assert transport.writes == [b"headbody", b"later"]

    scenario(run)


def test_nothing_is_sent_twice_and_nothing_before_its_turn_is_lost_by_closing() -> None:
    async def run(gathered: GatheredWrites, transport: Transport) -> None:
        gathered.write(b"first")
        gathered.flush()
        gathered.write(b"last")
        gathered.close()
        await asyncio.sleep(0)
        assert (transport.writes, transport.closed) == ([b"first", b"last"], True)

    scenario(run)


def test_what_is_large_is_sent_at_once_behind_what_was_written_before() -> None:
    async def run(gathered: GatheredWrites, transport: Transport) -> None:
        gathered.write(b"head")
        gathered.write(bytes(LARGE_BYTES + 1))
        assert transport.writes == [b"head" + bytes(LARGE_BYTES + 1)]
        await asyncio.sleep(0)
        assert len(transport.writes) == 1

    scenario(run)


def test_what_nobody_can_read_any_more_is_not_sent() -> None:
    async def run(gathered: GatheredWrites, transport: Transport) -> None:
        gathered.write(b"reply")
        transport.close()
        await asyncio.sleep(0)
        assert transport.writes == []

    scenario(run)


def test_all_else_is_the_transports_own() -> None:
    async def run(gathered: GatheredWrites, _: Transport) -> None:
        assert gathered.get_extra_info("peername") == "somebody"
        assert not gathered.is_closing()

    scenario(run)
