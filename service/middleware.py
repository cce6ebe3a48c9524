"""The outermost layer, pure ASGI: arrival time, request id, access line, and the last resort for errors."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import unexpected_error_response
from service.logs import request_id_var
from service.metrics import Metrics
from service.served import RequestObserver, Served

logger = logging.getLogger("service.access")

REQUEST_ID = b"x-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_QUIET = frozenset({"/livez", "/readyz", "/health", "/metrics"})


class RequestScope:
    """Wraps the app. Puts `arrived` (monotonic seconds) into the request's state; the route puts `scored` there.

    `observer` is told of every request but probes and scrapes.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, observer: RequestObserver | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["arrived"] = arrived = time.monotonic()
        request_id = _request_id(scope)
        token = request_id_var.set(request_id)
        status = 0

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("unexpected error")
            if not status:
                await unexpected_error_response()(scope, receive, send_with_id)
        finally:
            seconds = time.monotonic() - arrived
            self._record(scope, status, seconds)
            if self._observer is not None and scope["path"] not in _QUIET:
                self._observer.request_served(_served(scope, status, seconds, request_id))
            request_id_var.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.response_sent(_route(scope) or "none", status)
        level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
        if not logger.isEnabledFor(level):
            return
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
        }
        # `logger.log` would look for the line of code that asked, which costs more than all else here.
        logger.handle(logger.makeRecord(logger.name, level, "", 0, "request", (), None, extra={"fields": fields}))


def _served(scope: Scope, status: int, seconds: float, request_id: str) -> Served:
    return Served(
        method=scope["method"],
        route=_route(scope),
        status=status,
        seconds=seconds,
        request_id=request_id,
        headers=Headers(scope=scope),
        scored=scope["state"].get("scored"),
    )


def _route(scope: Scope) -> str | None:
    """The route's own path: what a client makes up must not become a metric's label or a span's name."""
    return getattr(scope.get("route"), "path", None)


def _request_id(scope: Scope) -> str:
    """The client's id where it is short and plain, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _SANE_ID.fullmatch(given := value.decode("latin-1")):
            return str(given)
    return uuid.uuid4().hex
