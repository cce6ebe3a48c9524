"""`POST /score`: from HTTP to the scorer and back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive

from service.api_keys import ApiKeys
from service.errors import ClientGoneError, TooLargeError
from service.lifecycle import Lifecycle
from service.openapi import SCORE_RESPONSES
from service.reading import BodyReader
from service.schemas import ScoreReplies, ScoreReply
from service.scorer import Scorer
from service.served import Timings
from service.settings import Settings
from service.validation import DEADLINE_HEADER, parse_deadline

T = TypeVar("T")


def score_router(reader: BodyReader, scorer: Scorer, lifecycle: Lifecycle, settings: Settings) -> APIRouter:
    """The route, bound to what reads a body and what scores it."""
    router = APIRouter(tags=["scoring"])
    keys = ApiKeys(settings.api_keys)

    @router.post("/score", response_model=ScoreReply | ScoreReplies, responses=SCORE_RESPONSES)
    async def score(request: Request) -> Response:
        """Score how relevant each candidate is to the query.

        A body with `requests` holds several such requests. They are refused whole when one is faulty,
        admitted whole or not at all, and answered together, with one `timing_ms` for all; 504 only if the
        deadlines left nothing scored in any of them.
        """
        keys.check(request.headers)
        # A client that is slow to send must not hold up the end of draining: its request is accepted once it is here.
        async with lifecycle.receive(settings.body_seconds):
            raw = await _read(request, settings.max_body_bytes)
        with lifecycle.accept():
            body = reader.read(raw)
            deadline_ms = parse_deadline(request.headers.getlist(DEADLINE_HEADER)) or settings.default_deadline_ms
            scoring = scorer.score(body, request.state.arrived, deadline_ms)
            reply, scored = await _unless_client_leaves(request.receive, scoring)
            request.state.scored = scored
            headers = _timing_headers(scored.timings)
            if lifecycle.draining:
                # The client's next request must not meet a connection that is about to be closed.
                headers["connection"] = "close"
            return Response(msgspec.json.encode(reply), headers=headers, media_type="application/json")

    return router


async def _read(request: Request, limit: int) -> bytes:
    """The body; TooLargeError as soon as it is known to exceed `limit` bytes, declared or not."""
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
    """The outcome of `scoring`; cancels it and raises ClientGoneError if the client disconnects first."""
    task = asyncio.ensure_future(scoring)
    # After the body the only message left is the disconnect.
    disconnect = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((task, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError("The client closed the connection before the answer.")
        return task.result()
    finally:
        disconnect.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))


def _timing_headers(timings: Timings) -> dict[str, str]:
    return {f"x-aisle-{stage}-ms": str(ms) for stage, ms in timings.milliseconds().items()}
