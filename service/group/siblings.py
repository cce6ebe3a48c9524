"""The other replicas of a group, as one of them sees them: asked for their metrics over sockets of their own."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final

from service.exposition import Exposition
from service.group.member import Member
from service.group.merging import merged

logger = logging.getLogger(__name__)

SECONDS: Final = 2.0
"""Longest that one of them is waited for."""


class Siblings:
    """Completes what one replica tells by what the others do."""

    def __init__(self, member: Member) -> None:
        self._number = member.number
        self._places = member.others()

    async def complete(self, own: Exposition, accept: str) -> Exposition:
        """The metrics of all replicas that answer, in the format of `own`, which `accept` has led to."""
        asked = [self._ask(number, place, accept) for number, place in self._places.items()]
        answers = dict(zip(self._places, await asyncio.gather(*asked), strict=True))
        texts = {number: text for number, text in answers.items() if text is not None} | {
            self._number: own.text.decode()
        }
        return own._replace(text=merged(dict(sorted(texts.items()))).encode())

    async def _ask(self, number: int, place: str, accept: str) -> str | None:
        """A replica's own metrics; None if it does not answer: it may be starting again."""
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(sock=_connected(place))
                try:
                    writer.write(_request(accept))
                    reply = await reader.read(-1)
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            logger.warning("a replica tells no metrics", extra={"fields": {"replica": number, "error": repr(error)}})
            return None
        head, _, body = reply.partition(b"\r\n\r\n")
        return body.decode() if head.split(b" ")[1:2] == [b"200"] else None


def _connected(place: str) -> socket.socket:
    """Here and not by the loop: uvloop takes an abstract address for an empty one."""
    connecting = socket.socket(socket.AF_UNIX)
    try:
        # It waits in the other's backlog or is refused, both at once.
        connecting.setblocking(False)
        connecting.connect(place)
    except OSError:
        connecting.close()
        raise
    return connecting


def _request(accept: str) -> bytes:
    # What a client sent as its header can hold no line break, so it can be sent on.
    return f"GET /metrics HTTP/1.1\r\nhost: aisle\r\naccept: {accept}\r\nconnection: close\r\n\r\n".encode("latin-1")
