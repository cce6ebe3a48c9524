from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.metrics import Metrics
from service.middleware import RequestScope
from tests.service.app_client import AppClient


def test_the_clients_request_id_is_echoed(client: AppClient) -> None:
    reply = client.get("/livez", headers={"x-request-id": "shop-42:a/b"})
    assert reply.headers["x-request-id"] == "shop-42:a/b"


@pytest.mark.parametrize("given", ["", "x" * 129, "with space", "semi;colon", 'quo"te'])
def test_an_id_that_is_not_plain_is_replaced(client: AppClient, given: str) -> None:
    made = client.get("/livez", headers={"x-request-id": given}).headers["x-request-id"]
    assert made != given
    assert len(made) == 32


def test_every_request_gets_an_id_of_its_own(client: AppClient) -> None:
    assert len({client.get("/livez").headers["x-request-id"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", "/score", 405, "method_not_allowed")],
)
def test_the_routers_refusals_are_problems(client: AppClient, method: str, path: str, status: int, code: str) -> None:
    reply = client.request(method, path)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"


def test_an_access_line_has_no_secrets(client: AppClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "service.access")
    client.post("/score?token=hush", content=b"{}", headers={"x-api-key": "hush-hush"})
    (record,) = [record for record in caplog.records if record.name == "service.access"]
    assert record.__dict__["fields"].keys() == {"method", "path", "status", "duration_ms"}
    assert "hush" not in str(record.__dict__)


def test_an_unexpected_error_is_a_500_problem_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("secret detail")

    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(RequestScope(broken, Metrics()))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.get("/")

    reply = asyncio.run(scenario())
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "secret" not in reply.text
    assert any(record.exc_info for record in caplog.records)
