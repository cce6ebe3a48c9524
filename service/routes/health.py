"""`GET /livez`: restart me? `GET /readyz`: send me requests?"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from service.errors import ServiceError, error_response
from service.gpu.placement import Placement
from service.health import Health
from service.openapi import HEALTH_RESPONSES


def health_router(health: Health, placement: Placement) -> APIRouter:
    """The two routes. `placement` is what a ready replica says it runs on."""
    router = APIRouter(tags=["operation"])
    ready = {"status": "ready", "provider": placement.provider}
    if placement.fallback is not None:
        ready["fallback"] = placement.fallback

    @router.get("/livez", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def livez() -> Response:
        """200 while the engine works; 503 only when a restart is the remedy."""
        return _told(health.check_alive, {"status": "alive"})

    @router.get("/readyz", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def readyz() -> Response:
        """Requests are taken: not draining, the engine runs, no micro-batch hangs, and the queue is not full."""
        return _told(health.check_ready, ready)

    @router.get("/health", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def health_as_elsewhere() -> Response:
        """As `/readyz`: what clients of Text Embeddings Inference ask."""
        return await readyz()

    for path, answer in (("/livez", livez), ("/readyz", readyz), ("/health", health_as_elsewhere)):
        router.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)
    return router


def _told(check: Callable[[], None], well: dict[str, str]) -> Response:
    try:
        check()
    except ServiceError as error:
        # Answered here: nobody asked for scores, so it must not count among the requests refused.
        return error_response(error)
    return JSONResponse(well)
