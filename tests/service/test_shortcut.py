from __future__ import annotations

from service.app import create_app
from tests.service.app_client import AppClient
from tests.service.conftest import MakeService


def test_scores_do_not_pass_the_layers_that_other_requests_pass(client: AppClient, make_service: MakeService) -> None:
    app = create_app(make_service())
    assert "/score" in app.openapi()["paths"]
    reply = client.score("red", ["good"])
    assert reply.status_code == 200
    assert client.metric("aisle_responses_total", path="/score", status="200") == 1


def test_a_refusal_is_the_same_problem_as_elsewhere_and_is_counted(client: AppClient) -> None:
    reply = client.post("/score", json={"query": "red", "candidates": []})
    assert (reply.status_code, reply.json()["code"]) == (400, "empty_input")
    assert reply.headers["content-type"] == "application/problem+json"
    assert client.metric("aisle_refused_total", reason="empty_input") == 1


def test_other_methods_and_paths_go_the_usual_way(client: AppClient) -> None:
    assert client.get("/score").status_code == 405
    assert client.get("/scores").status_code == 404
