"""`GET /metrics`: Prometheus' text format, or OpenMetrics with exemplars where `Accept` asks for it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from service.exposition import expose
from service.metrics import Metrics


def metrics_router(metrics: Metrics) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics(request: Request) -> Response:
        """Counters, histograms by stage, and the quantiles of the last minute."""
        exposition = expose(metrics.registry, request.headers.get("accept", ""))
        return Response(exposition.text, media_type=exposition.content_type)

    return router
