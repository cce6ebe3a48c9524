"""`POST /score`: our own dialect."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.openapi import SCORE_RESPONSES
from service.reading import BodyReader
from service.reply import Json
from service.request import Body
from service.routes.answering import Answering, Write, Written
from service.schemas import ScoreReplies, ScoreReply
from service.served import Scored


def score_router(reader: BodyReader, answering: Answering) -> APIRouter:
    """The route, bound to what reads a body and what answers it."""
    router = APIRouter(tags=["scoring"])

    def read(raw: bytes) -> tuple[Body, Write]:
        return reader.read(raw), _as_it_is

    @router.post("/score", response_model=ScoreReply | ScoreReplies, responses=SCORE_RESPONSES)
    async def score(request: Request) -> Response:
        """Score how relevant each candidate is to the query.

        A body with `requests` holds several such requests. They are refused whole when one is faulty,
        admitted whole or not at all, and answered together, with one `timing_ms` for all; 504 only if the
        deadlines left nothing scored in any of them.
        """
        return await answering.answer(request, read)

    return router


def _as_it_is(reply: Json, _: Scored) -> Written:
    return Written(reply)
