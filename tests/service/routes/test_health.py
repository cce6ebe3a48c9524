from __future__ import annotations

from tests.service.app_client import AppClient


def test_a_started_service_is_alive_and_ready(client: AppClient) -> None:
    assert (client.get("/livez").status_code, client.get("/livez").json()) == (200, {"status": "alive"})
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (
        200,
        {"status": "ready", "provider": "cpu"},
    )


def test_draining_is_alive_and_not_ready(client: AppClient) -> None:
    client.service.lifecycle.start_draining()
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()["code"]) == (503, "draining")
    assert client.get("/livez").status_code == 200


def test_probes_are_not_counted_as_requests_refused(client: AppClient) -> None:
    client.service.lifecycle.start_draining()
    for path in ("/readyz", "/health"):
        assert client.get(path).status_code == 503
    assert "aisle_refused_total{" not in client.get("/metrics").text


def test_a_dead_engine_is_neither_ready_nor_alive(client: AppClient) -> None:
    client.portal.call(client.service.stages.batcher.stop)
    for path in ("/readyz", "/livez"):
        reply = client.get(path)
        assert (reply.status_code, reply.json()["code"]) == (503, "not_ready")


def test_an_engine_that_stopped_at_the_end_of_draining_wants_no_restart(client: AppClient) -> None:
    client.service.lifecycle.start_draining()
    client.portal.call(client.service.stages.batcher.stop)
    assert client.get("/livez").status_code == 200
