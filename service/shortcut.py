"""Takes one route past FastAPI's layers, pure ASGI: they cost a warm request a tenth of its time and do nothing for it.

The route stays where it is for the OpenAPI document, for other methods, and for whoever reads the routes.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ServiceError


class Shortcut:
    """Calls `route`'s own function for its requests; it must take a `Request` and give a `Response`."""

    def __init__(self, app: ASGIApp, route: APIRoute, refuse: Callable[[ServiceError], Response]) -> None:
        self._app, self._route, self._refuse = app, route, refuse
        self._methods = route.methods or set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._route
        if scope["type"] != "http" or scope["path"] != route.path or scope["method"] not in self._methods:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            response = await route.endpoint(Request(scope, receive))
        except ServiceError as error:
            response = self._refuse(error)
        await response(scope, receive, send)
