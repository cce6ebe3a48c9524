from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any

import pytest

from service.app import create_app
from service.schemas import ScoreReply
from tests.service.app_client import AppClient
from tests.service.conftest import MakeService, Serve


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_scores_are_those_of_the_model(client: AppClient) -> None:
    reply = client.score("red shoe", ["good good bad", "bad", {"title": "fair", "brand": "good", "id": "sku"}])
    assert reply.status_code == 200
    body = reply.json()
    ScoreReply.model_validate(body)
    assert body["model"] == {"name": "tiny", "version": "7"}
    assert [r["score"] for r in body["results"]] == pytest.approx([sigmoid(1.0), sigmoid(-0.5), sigmoid(1.0)], rel=1e-6)
    assert [r["rank"] for r in body["results"]] == [1, 3, 2]
    assert [r["label"] for r in body["results"]] == ["relevant", "irrelevant", "relevant"]
    assert body["results"][2]["id"] == "sku"
    assert (body["scored"], body["total"], body["degraded"], body["truncated"]) == (3, 3, False, 0)


def test_headers_timing_and_histograms_are_the_same_numbers(client: AppClient) -> None:
    replies = [client.score("red", ["good"] * count) for count in (1, 3, 30)]
    for stage in ("tokenize", "queue", "inference", "total"):
        told = [reply.json()["timing_ms"][stage] for reply in replies]
        assert [float(reply.headers[f"x-aisle-{stage}-ms"]) for reply in replies] == told
        assert client.metric("aisle_stage_seconds_sum", stage=stage) == pytest.approx(sum(told) / 1000, abs=1e-9)
        assert client.metric("aisle_stage_seconds_count", stage=stage) == 3


def test_a_score_is_the_same_alone_and_in_any_batch(client: AppClient) -> None:
    titles = [f"good bad {'fair ' * (i % 8)}{'lamp ' * (i % 3)}" for i in range(100)]
    together = client.score("red shoe", titles).json()["results"]
    alone = [client.score("red shoe", [title]).json()["results"][0]["score"] for title in titles]
    assert [result["score"] for result in together] == alone


def test_several_requests_get_their_own_results(client: AppClient) -> None:
    single = client.score("red", ["good", "bad"]).json()["results"]
    reply = client.post(
        "/score",
        json={
            "requests": [
                {"query": "red", "candidates": ["good", "bad"]},
                {"query": "lamp", "candidates": ["fair", "good"], "top_k": 1},
            ]
        },
    ).json()
    assert reply["responses"][0]["results"] == single
    assert [result["index"] for result in reply["responses"][1]["results"]] == [1]
    assert set(reply) == {"model", "responses", "timing_ms"}


HOPELESS = {"x-deadline-ms": "1e-9"}


def test_the_deadline_header_counts_where_the_body_names_none(serve: Serve) -> None:
    client = serve(default_deadline_ms=60_000)
    body = {"query": "red", "candidates": ["good"]}
    reply = client.post("/score", json=body, headers=HOPELESS)
    assert (reply.status_code, reply.json()["code"]) == (504, "deadline_exceeded")
    assert client.post("/score", json={**body, "deadline_ms": 60_000}, headers=HOPELESS).status_code == 200
    assert client.post("/score", json=body, headers={"x-deadline-ms": "60000"}).status_code == 200


def test_the_deadline_header_is_for_every_request_of_a_body_that_names_none(client: AppClient) -> None:
    requests: list[dict[str, Any]] = [{"query": "red", "candidates": [title]} for title in ("good", "bad", "fair")]
    requests[1]["deadline_ms"] = 60_000
    parts = client.post("/score", json={"requests": requests}, headers=HOPELESS).json()["responses"]
    assert [part["scored"] for part in parts] == [0, 1, 0]


def test_a_deadline_header_that_is_none_is_refused(client: AppClient) -> None:
    reply = client.post("/score", json={"query": "red", "candidates": ["good"]}, headers={"x-deadline-ms": "soon"})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")
    assert reply.json()["errors"] == [{"field": "x-deadline-ms", "message": "must be a number"}]


def test_debug_shows_the_cut(client: AppClient) -> None:
    reply = client.score("red", ["good " * 20], debug=True).json()
    assert reply["truncated"] == 1
    assert reply["results"][0]["debug"] == {
        "logit": 9.0,
        "tokens": 3 + 1 + 12,
        "dropped": {"title": 8},
        "source": "model",
    }
    assert reply["debug"]["bundle_version"] == "7"


@pytest.mark.parametrize("text", ["\u0000a\u0007", "👟🏽", "حذاء أحمر", "\u202etxet", "\ufeffgood", "good\nbad"])
def test_strange_text_is_scored(client: AppClient, text: str) -> None:
    reply = client.score(text, [text, {"title": text, "brand": text}])
    assert reply.status_code == 200
    assert all(0 < result["score"] < 1 for result in reply.json()["results"])


@pytest.mark.parametrize("word", ["boom", "nan"])
def test_a_poisoned_pair_is_a_500_and_the_next_request_is_fine(client: AppClient, word: str) -> None:
    reply = client.score("red", ["good", word])
    assert (reply.status_code, reply.json()["code"]) == (500, "inference_failed")
    assert client.score("red", ["good"]).status_code == 200


@pytest.mark.parametrize(
    ("settings", "body", "status", "code"),
    [
        ({}, b"{", 422, "invalid_input"),
        ({}, b'{"query": " ", "candidates": ["a"]}', 400, "empty_input"),
        ({"max_candidates": 2}, b'{"query": "q", "candidates": ["a", "a", "a"]}', 413, "too_large"),
        ({"max_text_chars": 5}, b'{"query": "q", "candidates": ["123456"]}', 413, "too_large"),
        ({"max_body_bytes": 30, "max_text_chars": 5}, b'{"query": "q", "candidates": ["a"]}', 413, "too_large"),
        (
            {"queue_tokens": 256, "max_candidates": 1},
            b'{"query": "q", "candidates": ["a"], "deadline_ms": 1e-9}',
            504,
            "deadline_exceeded",
        ),
    ],
)
def test_refusals_are_problems_and_counted(
    serve: Serve, settings: dict[str, Any], body: bytes, status: int, code: str
) -> None:
    client = serve(**settings)
    reply = client.post("/score", content=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert client.metric("aisle_refused_total", reason=code) == 1
    assert client.metric("aisle_responses_total", path="/score", status=str(status)) == 1


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(serve: Serve) -> None:
    client = serve(max_body_bytes=1000, max_text_chars=100)
    sent = []

    async def chunks() -> AsyncIterator[bytes]:
        for index in range(1000):
            sent.append(index)
            yield b"x" * 100

    reply = client.post("/score", content=chunks())
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    assert "1000 bytes" in reply.json()["detail"]


def test_a_full_queue_is_a_429_with_retry_after(serve: Serve) -> None:
    client = serve(queue_tokens=256, max_candidates=1)
    admission = client.service.stages.admission
    admission.outstanding = 256
    reply = client.score("red", ["good"])
    assert (reply.status_code, reply.json()["code"]) == (429, "overloaded")
    assert reply.headers["retry-after"].isdecimal()
    admission.outstanding = 0
    assert client.score("red", ["good"]).status_code == 200


def test_a_key_is_asked_for_where_keys_are_set(serve: Serve) -> None:
    client = serve(api_keys="k1,k2")
    body = {"query": "red", "candidates": ["good"]}
    assert client.post("/score", json=body).status_code == 401
    assert client.post("/score", json=body, headers={"x-api-key": "k2"}).status_code == 200
    assert client.post("/score", json=body, headers={"authorization": "Bearer k1"}).status_code == 200
    assert {client.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/openapi.json")} == {200}


def test_while_draining_new_requests_are_refused(client: AppClient) -> None:
    client.service.lifecycle.start_draining()
    reply = client.score("red", ["good"])
    assert (reply.status_code, reply.json()["code"]) == (503, "draining")


class Asgi:
    """One request by hand, to control when the client leaves."""

    def __init__(self, body: Any) -> None:
        self.left = asyncio.Event()
        self.sent: list[MutableMapping[str, Any]] = []
        self._messages = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive(self) -> MutableMapping[str, Any]:
        if self._messages:
            return self._messages.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def scope(self) -> dict[str, Any]:
        return {"type": "http", "method": "POST", "path": "/score", "headers": [], "query_string": b"", "root_path": ""}


def test_a_client_that_leaves_takes_its_work_along(make_service: MakeService) -> None:
    service = make_service(micro_batch_tokens=16)

    async def scenario() -> None:
        app = create_app(service)
        async with app.router.lifespan_context(app), asyncio.timeout(10):
            call = Asgi({"query": "red", "candidates": ["good"] * 1000})
            answering = asyncio.create_task(app(call.scope, call.receive, call.send))
            while not service.stages.admission.outstanding:
                await asyncio.sleep(0)
            call.left.set()
            await answering
            assert call.sent[0]["status"] == 499
            assert service.stages.metrics.registry.get_sample_value("aisle_scored_pairs_total") == 0
            assert service.stages.admission.outstanding == 0
            assert service.lifecycle.in_flight == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("leaves", [[], [{"type": "http.request", "body": b'{"query"', "more_body": True}]])
def test_a_client_that_leaves_while_sending_is_no_error_of_ours(
    make_service: MakeService, leaves: Sequence[MutableMapping[str, Any]]
) -> None:
    service = make_service()

    async def scenario() -> None:
        app = create_app(service)
        messages = [*leaves, {"type": "http.disconnect"}]
        call = Asgi({})

        async def receive() -> MutableMapping[str, Any]:
            return messages.pop(0)

        async with app.router.lifespan_context(app):
            await app(call.scope, receive, call.send)
        assert call.sent[0]["status"] == 499

    asyncio.run(scenario())


def test_replies_are_the_same_whatever_is_remembered_of_their_candidates(serve: Serve) -> None:
    forgetful, mindful = serve(candidate_cache_mb=0), serve(candidate_cache_mb=1)
    drawn = random.Random(0)
    shop = [
        *("good lamp", "bad lämp 灯", "fair 😀", 'good "bad"\tshoe'),
        *({"id": f"p{n}", "title": "good " * n, "prior": n, "brand": "bad"} for n in range(1, 5)),
        {"id": "other", "title": "good ", "prior": 9, "brand": "bad"},
        {"title": "good", "attributes": {"a": True, "b": 1.5}},
        {"title": " "},
        {"id": "p1"},
    ]
    for turn in range(60):
        # The faulty ones at the end of the list come seldom, or nothing would ever be remembered.
        candidates = drawn.choices(shop, cum_weights=[*range(20, 21 + 10 * 9, 10), 111, 112], k=drawn.randint(1, 8))
        body = {"query": drawn.choice(["red", "lamp"]), "candidates": candidates, "debug": turn % 2 == 0}
        raw = json.dumps(body, ensure_ascii=turn % 3 == 0).encode()
        replies = [one.post("/score", content=raw) for one in (forgetful, mindful)]
        plain, remembered = ([reply.status_code, _without_times(reply.json())] for reply in replies)
        assert remembered == plain
    assert (mindful.metric("aisle_candidate_cache_hits_total") or 0) > 100
    assert (mindful.metric("aisle_candidate_cache_bytes") or 0) > 0
    assert mindful.metric("aisle_candidate_cache_evictions_total") == 0
    assert forgetful.metric("aisle_candidate_cache_hits_total") is None


def _without_times(reply: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in reply.items() if key not in {"timing_ms", "request_id"}}
