"""Plain calls into an app that runs, lifespan and all, in an event loop of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from service.app import Service, create_app


class AppClient:
    """Sends requests to the app; `service` are the parts inside, `portal` runs code in its loop."""

    def __init__(self, portal: BlockingPortal, http: httpx.AsyncClient, service: Service) -> None:
        self.portal = portal
        self.service = service
        self._http = http

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.portal.call(partial(self._http.request, method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def score(self, query: str, candidates: list[Any], **fields: Any) -> httpx.Response:
        return self.post("/score", json={"query": query, "candidates": candidates, **fields})

    def metric(self, name: str, **labels: str) -> float | None:
        return self.service.stages.metrics.registry.get_sample_value(name, labels)


@contextmanager
def running(service: Service) -> Iterator[AppClient]:
    """Start the app of `service`; it stops at the end."""
    app = create_app(service)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        transport = httpx.ASGITransport(app)
        http = httpx.AsyncClient(transport=transport, base_url="http://test")
        with portal.wrap_async_context_manager(http):
            yield AppClient(portal, http, service)
