"""What all scoring routes share: from a request to a body, from its scores to a response, whatever the dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import NamedTuple, TypeVar

import msgspec
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive

from service.api_keys import ApiKeys
from service.errors import ClientGoneError, CompressedBodyError, TooLargeError
from service.lifecycle import Lifecycle
from service.reply import Json
from service.request import Body
from service.scorer import Scorer
from service.served import Scored, Timings
from service.settings import Settings
from service.validation import DEADLINE_HEADER, parse_deadline

T = TypeVar("T")


class Written(NamedTuple):
    """A reply as it goes out: what becomes its JSON, and headers beside those of every scoring route."""

    content: object
    headers: Mapping[str, str] = {}


Write = Callable[[Json, Scored], Written]
"""Puts the service's own reply into the words of a dialect."""

Read = Callable[[bytes], tuple[Body, Write]]
"""Reads a request's bytes: what to score, and how to answer. Raises ServiceErrors."""


class Answering:
    """Takes requests of any scoring route: key, body, deadline, a client that leaves, headers."""

    def __init__(self, scorer: Scorer, lifecycle: Lifecycle, settings: Settings) -> None:
        self._scorer, self._lifecycle, self._settings = scorer, lifecycle, settings
        self._keys = ApiKeys(settings.api_keys)

    async def answer(self, request: Request, read: Read) -> Response:
        """The response to `request`; raises ServiceErrors."""
        settings, lifecycle = self._settings, self._lifecycle
        self._keys.check(request.headers)
        # A client that is slow to send must not hold up the end of draining: its request is accepted once it is here.
        async with lifecycle.receive(settings.body_seconds):
            raw = await _read(request, settings.max_body_bytes)
        with lifecycle.accept():
            body, write = read(raw)
            deadline_ms = parse_deadline(request.headers.getlist(DEADLINE_HEADER)) or settings.default_deadline_ms
            scoring = self._scorer.score(body, request.state.arrived, deadline_ms)
            reply, scored = await _unless_client_leaves(request.receive, scoring)
            request.state.scored = scored
            written = write(reply, scored)
            headers = {**_timing_headers(scored.timings), **written.headers}
            if lifecycle.draining:
                # The client's next request must not meet a connection that is about to be closed.
                headers["connection"] = "close"
            return Response(msgspec.json.encode(written.content), headers=headers, media_type="application/json")


async def _read(request: Request, limit: int) -> bytes:
    """The body; CompressedBodyError, or TooLargeError as soon as it is known to exceed `limit` bytes."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise CompressedBodyError("`Content-Encoding` has no effect here; send the body as it is.")
    too_large = TooLargeError(f"The body is too large; the limit is {limit} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > limit:
                raise too_large
    except ClientDisconnect:
        raise ClientGoneError("The client closed the connection while sending.") from None
    return bytes(raw)


async def _unless_client_leaves(receive: Receive, scoring: Coroutine[None, None, T]) -> T:
    """The outcome of `scoring`; ends it and raises ClientGoneError if the client disconnects first.

    It runs in the request's own task: one of its own would cost as much again as all else here.
    """
    task = asyncio.current_task()
    assert task is not None
    scored = left = False

    def end(_: asyncio.Future[Message]) -> None:
        nonlocal left
        # Told when all is scored it comes too late: the reply is being written.
        if not scored:
            left = task.cancel()

    # After the body the only message left is the disconnect.
    leaving = asyncio.ensure_future(receive())
    leaving.add_done_callback(end)
    gone = ClientGoneError("The client closed the connection before the answer.")
    try:
        outcome = await scoring
    except asyncio.CancelledError:
        # Somebody else may have cancelled the task as well, and is obeyed.
        if left and task.uncancel() == 0:
            raise gone from None
        raise
    finally:
        scored = True
        leaving.cancel()
    # What has just ended when it is cancelled may go on as if it were not.
    if left:
        task.uncancel()
        raise gone
    return outcome


def _timing_headers(timings: Timings) -> dict[str, str]:
    return {f"x-aisle-{stage}-ms": str(ms) for stage, ms in timings.milliseconds().items()}
