"""`GET /livez`: restart me? `GET /readyz`: send me requests?"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from service.batcher import Batcher
from service.errors import DrainingError, NotReadyError
from service.lifecycle import Lifecycle
from service.openapi import HEALTH_RESPONSES


def health_router(lifecycle: Lifecycle, batcher: Batcher) -> APIRouter:
    """The two routes."""
    router = APIRouter(tags=["operation"])

    @router.get("/livez", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def livez() -> JSONResponse:
        """The process answers, and its engine has not died: nothing but a restart brings that back."""
        if not batcher.alive and not lifecycle.draining:
            raise NotReadyError("The scoring engine does not run.")
        return JSONResponse({"status": "alive"})

    @router.get("/readyz", response_model=dict[str, str], responses=HEALTH_RESPONSES)
    async def readyz() -> JSONResponse:
        """Requests are taken: not draining, and the engine runs."""
        if lifecycle.draining:
            raise DrainingError("The service is shutting down.")
        if not batcher.alive:
            raise NotReadyError("The scoring engine does not run.")
        return JSONResponse({"status": "ready"})

    return router
