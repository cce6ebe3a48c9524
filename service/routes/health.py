"""`GET /livez`: restart me? `GET /readyz`: send me requests?"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

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
    async def livez() -> JSONResponse:
        """The process answers, and its engine works: nothing but a restart brings that back."""
        health.check_alive()
        return JSONResponse({"status": "alive"})

    @router.get("/readyz", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def readyz() -> JSONResponse:
        """Requests are taken: not draining, the engine runs, no micro-batch hangs, and the queue is not full."""
        health.check_ready()
        return JSONResponse(ready)

    @router.get("/health", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def health_as_elsewhere() -> JSONResponse:
        """As `/readyz`: what clients of Text Embeddings Inference ask."""
        return await readyz()

    return router
