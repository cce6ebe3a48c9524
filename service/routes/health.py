"""`GET /livez`: restart me? `GET /readyz`: send me requests?"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from service.health import Health
from service.openapi import HEALTH_RESPONSES


def health_router(health: Health) -> APIRouter:
    """The two routes."""
    router = APIRouter(tags=["operation"])

    @router.get("/livez", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def livez() -> JSONResponse:
        """The process answers, and its engine works: nothing but a restart brings that back."""
        health.check_alive()
        return JSONResponse({"status": "alive"})

    @router.get("/readyz", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def readyz() -> JSONResponse:
        """Requests are taken: not draining, the engine runs, no micro-batch hangs, and the queue is not full."""
        health.check_ready()
        return JSONResponse({"status": "ready"})

    @router.get("/health", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def health_as_elsewhere() -> JSONResponse:
        """As `/readyz`: what clients of Text Embeddings Inference ask."""
        return await readyz()

    return router
