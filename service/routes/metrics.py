"""`GET /metrics`: Prometheus' text format."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from service.metrics import CONTENT_TYPE, Metrics


def metrics_router(metrics: Metrics) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """Counters, histograms by stage, and the quantiles of the last minute."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router
