"""`GET /metrics`: Prometheus' text format, or OpenMetrics with exemplars where `Accept` asks for it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from service.exposition import expose
from service.group.siblings import Siblings
from service.metrics import Metrics


def metrics_router(metrics: Metrics, siblings: Siblings | None = None) -> APIRouter:
    """The route. With `siblings` it tells of all replicas, but for one of them that asks over its own socket."""
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics(request: Request) -> Response:
        """Counters, histograms by stage, and the quantiles of the last minute."""
        accept = request.headers.get("accept", "")
        exposition = expose(metrics.registry, accept)
        if siblings is not None and not _comes_from_sibling(request):
            exposition = await siblings.complete(exposition, accept)
        return Response(exposition.text, media_type=exposition.content_type)

    return router


def _comes_from_sibling(request: Request) -> bool:
    """What comes over TCP has come to an address."""
    return request.scope["server"] is None
