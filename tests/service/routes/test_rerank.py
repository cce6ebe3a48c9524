from __future__ import annotations

from typing import Any, NamedTuple

import httpx
import pytest

from tests.service.app_client import AppClient, running
from tests.service.conftest import MakeService, Serve
from tests.service.routes.test_score import sigmoid

TEXTS = ["bad", "good good bad", "good"]
"""Logits −0.5, 1.0 and 0.75."""

OBJECT_ROUTES = ["/v1/rerank", "/v2/rerank", "/openai/v1/rerank", "/rerank", "/infinity/rerank"]
ARRAY_REQUESTS = [("/rerank", "texts"), ("/tei/rerank", "texts"), ("/tei/rerank", "documents")]


def rerank(client: AppClient, path: str, **fields: Any) -> httpx.Response:
    return client.post(path, json={"query": "red shoe", **fields})


@pytest.mark.parametrize("path", OBJECT_ROUTES)
def test_documents_come_back_best_first_with_the_scores_of_score(client: AppClient, path: str) -> None:
    reply = rerank(client, path, documents=TEXTS, model="any")
    assert reply.status_code == 200
    own = {result["index"]: result["score"] for result in client.score("red shoe", TEXTS).json()["results"]}
    assert reply.json()["results"] == [{"index": row, "relevance_score": own[row]} for row in (1, 2, 0)]


def test_cohere_1_and_jina_read_one_reply(client: AppClient) -> None:
    reply = rerank(client, "/v1/rerank", documents=TEXTS).json()
    assert set(reply) == {"id", "object", "model", "results", "usage", "meta"}
    assert (reply["model"], reply["object"]) == ("tiny", "list")
    # [CLS] query [SEP] text [SEP]: 5 and the tokens of each text.
    assert reply["usage"] == {"total_tokens": 15 + 5, "prompt_tokens": 15 + 5}
    assert reply["meta"]["api_version"] == {"version": "1"}
    assert reply["meta"]["tokens"] == {"input_tokens": 20, "output_tokens": 0}
    told = reply["meta"]["aisle"]
    assert (told["version"], told["scored"], told["total"], told["degraded"], told["truncated"]) == (
        "7",
        3,
        3,
        False,
        0,
    )


def test_infinity_and_vllm_read_one_reply(client: AppClient) -> None:
    reply, jina = (rerank(client, path, documents=TEXTS).json() for path in ("/rerank", "/v1/rerank"))
    assert set(reply) == set(jina)
    assert reply["results"] == jina["results"]
    assert reply["object"] == "rerank", "Infinity's client takes no other"


def test_voyage_has_its_own_names(client: AppClient) -> None:
    asked = {"documents": TEXTS, "top_k": 2, "truncation": True, "return_documents": True}
    reply = rerank(client, "/voyage/v1/rerank", **asked).json()
    assert set(reply) == {"id", "object", "model", "data", "usage", "meta"}
    assert (reply["object"], reply["usage"]["total_tokens"], reply["meta"]["warnings"]) == ("list", 20, [])
    assert [(item["index"], item["document"]) for item in reply["data"]] == [(1, TEXTS[1]), (2, TEXTS[2])]
    assert len(rerank(client, "/voyage/v1/rerank", documents=TEXTS, top_k=None).json()["data"]) == 3
    whole = rerank(client, "/voyage/v1/rerank", documents=["good", "good " * 14], truncation=False)
    message = "is 2 tokens too long for the model; with truncation it is cut"
    assert (whole.status_code, whole.json()["errors"]) == (422, [{"field": "documents[1]", "message": message}])


def test_cohere_2_has_its_own_frame(client: AppClient) -> None:
    reply = rerank(client, "/v2/rerank", documents=TEXTS, model="rerank-v3.5")
    body = reply.json()
    assert set(body) == {"id", "results", "meta"}
    assert body["id"] == reply.headers["x-request-id"]
    assert body["meta"]["api_version"] == {"version": "2"}


@pytest.mark.parametrize(("path", "called"), ARRAY_REQUESTS)
def test_tei_gets_an_array(client: AppClient, path: str, called: str) -> None:
    reply = rerank(client, path, **{called: TEXTS, "raw_scores": True})
    assert reply.json() == [{"index": 1, "score": 1.0}, {"index": 2, "score": 0.75}, {"index": 0, "score": -0.5}]
    assert b'"score":1.0' in reply.content, "some clients take no integer for a score"
    calibrated = rerank(client, path, **{called: TEXTS}).json()
    assert [item["score"] for item in calibrated] == pytest.approx([sigmoid(x) for x in (1.0, 0.75, -0.5)], rel=1e-6)


def test_texts_are_told_back_when_asked_for(client: AppClient) -> None:
    documents = ["bad", {"text": "good", "sku": 7}, {"title": "fair", "brand": "good"}]
    results = rerank(client, "/v1/rerank", documents=documents, return_documents=True).json()["results"]
    told = {result["index"]: result["document"] for result in results}
    assert told == {
        0: {"text": "bad"},
        1: {"text": "good", "sku": 7},
        2: {"text": "fair", "title": "fair", "brand": "good"},
    }
    bare = rerank(client, "/infinity/rerank", documents=documents, return_documents=True).json()
    assert bare["object"] == "rerank"
    assert {result["index"]: result["document"] for result in bare["results"]} == {0: "bad", 1: "good", 2: "fair"}
    array = rerank(client, "/rerank", texts=TEXTS, return_text=True).json()
    assert [item["text"] for item in array] == ["good good bad", "good", "bad"]


@pytest.mark.parametrize(("top_n", "count"), [(None, 3), (0, 3), (2, 2), (9, 3)])
def test_top_n_keeps_the_best(client: AppClient, top_n: int | None, count: int) -> None:
    for path in OBJECT_ROUTES:
        results = rerank(client, path, documents=TEXTS, top_n=top_n).json()["results"]
        assert [result["index"] for result in results] == [1, 2, 0][:count]
    assert len(rerank(client, "/tei/rerank", texts=TEXTS, top_n=top_n).json()) == count


def test_objects_are_products_or_what_rank_fields_name(client: AppClient) -> None:
    documents = [{"title": "fair", "brand": "good"}, {"text": "bad"}, {"name": "good", "note": "good", "price": 3}]
    request = {"documents": documents, "raw_scores": True}
    refused = rerank(client, "/v1/rerank", **request)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "documents[2].title"
    chosen = rerank(client, "/v1/rerank", **request, rank_fields=["title", "brand", "text", "name", "note"]).json()
    assert {r["index"]: r["relevance_score"] for r in chosen["results"]} == {0: 1.0, 1: -0.5, 2: 1.5}


@pytest.mark.parametrize(
    ("document", "more"), [({"content": "good"}, " (and 1 more)"), ({"text": 7}, " (and 1 more)"), ({}, "")]
)
def test_an_object_with_nothing_to_read_is_told_what_it_may_have(
    client: AppClient, document: dict[str, Any], more: str
) -> None:
    reply = rerank(client, "/v1/rerank", documents=["good", document]).json()
    told = "is required: give the document a string `text` or `title`, or name its fields to read in `rank_fields`"
    assert reply["errors"][0] == {"field": "documents[1].title", "message": told}
    assert reply["message"] == f"`documents[1].title` {told}{more}."


def test_an_empty_list_of_rank_fields_is_none(client: AppClient) -> None:
    request = {"documents": [{"text": "good", "note": "bad"}, {"title": "fair", "brand": "good"}], "raw_scores": True}
    without = rerank(client, "/v1/rerank", **request).json()["results"]
    assert rerank(client, "/v1/rerank", **request, rank_fields=[]).json()["results"] == without


def test_a_text_that_is_told_back_is_a_string(client: AppClient) -> None:
    documents = [{"title": "good", "text": 5}, {"title": "bad", "tags": ["fair"], "text": None}]
    asked = {"documents": documents, "return_documents": True, "raw_scores": True}
    reply = rerank(client, "/v1/rerank", **asked, rank_fields=["title", "tags", "text"]).json()
    assert {r["index"]: r["document"]["text"] for r in reply["results"]} == {0: "5", 1: "bad"}
    assert [r["relevance_score"] for r in reply["results"]] == [0.75, -0.25]


@pytest.mark.parametrize("document", [{"candidates[999].title": 1}, {"title": "a", "candidates[7].title": 1}])
def test_a_name_that_the_caller_made_up_is_no_place(client: AppClient, document: dict[str, Any]) -> None:
    reply = rerank(client, "/v2/rerank", documents=[document])
    assert reply.status_code == 422
    assert all(error["field"].startswith("documents[0].") for error in reply.json()["errors"])


@pytest.mark.parametrize(("path", "called"), [("/rerank", "texts"), ("/rerank", "documents"), ("/tei/rerank", "texts")])
def test_the_other_list_may_be_null(client: AppClient, path: str, called: str) -> None:
    other = {"texts": "documents", "documents": "texts"}[called]
    asked = rerank(client, path, **{called: TEXTS, other: None})
    assert asked.status_code == 200
    assert "no effect" not in f"{asked.text} {asked.headers}"
    assert isinstance(asked.json(), list if called == "texts" else dict)


def test_what_has_no_effect_is_told(client: AppClient) -> None:
    fields = {"max_tokens_per_doc": 512, "instruction": "be kind", "top_n": 1}
    reply = rerank(client, "/v1/rerank", documents=TEXTS, **fields)
    expected = ["max_tokens_per_doc has no effect", "instruction has no effect"]
    assert reply.json()["meta"]["warnings"] == expected
    assert reply.headers["x-aisle-warnings"] == "; ".join(expected)
    followed = {"truncate": True, "truncation_direction": "Right"}
    assert "x-aisle-warnings" not in rerank(client, "/rerank", texts=TEXTS, **followed).headers


def test_a_header_of_warnings_stays_short_enough_for_every_client(client: AppClient) -> None:
    unknown = {f"crème\r\n{number}" + "x" * 100: 1 for number in range(90)}
    reply = rerank(client, "/v1/rerank", documents=TEXTS, **unknown)
    told = reply.headers["x-aisle-warnings"]
    assert told.endswith("; and 82 more")
    assert told.isascii()
    assert told.isprintable()
    assert len(told) < 1000
    assert len(reply.json()["meta"]["warnings"]) == 90


def test_what_would_be_cut_is_refused_if_it_must_stay_whole(client: AppClient) -> None:
    texts = ["good", "good " * 14]
    cut = rerank(client, "/rerank", texts=texts, truncate=True)
    assert (cut.status_code, cut.headers["x-aisle-truncated"]) == (200, "1")
    refused = rerank(client, "/rerank", texts=texts, truncate=False)
    assert (refused.status_code, refused.json()["error_type"]) == (422, "Validation")
    message = "is 2 tokens too long for the model; with truncate it is cut"
    assert refused.json()["errors"] == [{"field": "texts[1]", "message": message}]
    assert rerank(client, "/rerank", texts=texts[:1], truncate=False).status_code == 200
    long_query = client.post("/rerank", json={"query": "red " * 5, "texts": TEXTS, "truncate": False})
    assert [error["field"] for error in long_query.json()["errors"]] == ["query"]


class Fault(NamedTuple):
    path: str
    fields: dict[str, Any]
    status: int
    field: str
    kind: str


FAULTS = [
    Fault("/v2/rerank", {"documents": []}, 400, "documents", "Empty"),
    Fault("/v2/rerank", {"documents": [{"text": ""}, " "]}, 400, "documents", "Empty"),
    Fault("/rerank", {"texts": ["", " "]}, 400, "texts", "Empty"),
    Fault("/v2/rerank", {"documents": ["", {"x[9].title": 1}]}, 422, "documents[1].title", "Validation"),
    Fault("/v2/rerank", {"documents": [" ", {"title": "a", "brand": 5}]}, 422, "documents[1].brand", "Validation"),
    Fault("/v2/rerank", {"documents": [{"title": "a", "text": " "}]}, 400, "documents", "Empty"),
    Fault("/v2/rerank", {"documents": [{"x": " "}], "rank_fields": ["x"]}, 422, "documents[0]", "Validation"),
    Fault("/v2/rerank", {"documents": [{"x[9].title": 1}]}, 422, "documents[0].title", "Validation"),
    Fault("/v2/rerank", {"documents": ["good", 3]}, 422, "documents[1]", "Validation"),
    Fault("/v2/rerank", {"texts": ["good"]}, 422, "documents", "Validation"),
    Fault("/v1/rerank", {"documents": ["good"], "top_n": -1}, 422, "top_n", "Validation"),
    Fault("/rerank", {}, 422, "documents", "Validation"),
    Fault("/rerank", {"texts": ["good", 3]}, 422, "texts[1]", "Validation"),
    Fault("/rerank", {"texts": ["good"], "query": " "}, 400, "query", "Empty"),
    Fault("/rerank", {"texts": ["good"], "truncation_direction": "left"}, 422, "truncation_direction", "Validation"),
    Fault("/tei/rerank", {}, 422, "texts", "Validation"),
]


@pytest.mark.parametrize("blank", ["", " ", {"text": "\n"}, {"title": " "}])
def test_a_blank_document_does_not_cost_the_others_their_places(client: AppClient, blank: object) -> None:
    reply = rerank(client, "/v1/rerank", documents=[blank, "bad", "good"], return_documents=True)
    assert [item["index"] for item in reply.json()["results"]] == [2, 1, 0]
    assert reply.json()["meta"]["warnings"] == ["documents[0]: There is nothing to read in it; it stands last."]
    texts = rerank(client, "/rerank", texts=["", "bad", "good"])
    assert [item["index"] for item in texts.json()] == [2, 1, 0]
    assert texts.headers["x-aisle-warnings"].startswith("texts[0]: There is nothing to read")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_request_is_told_in_every_dialect(client: AppClient, fault: Fault) -> None:
    reply = rerank(client, fault.path, **fault.fields)
    body = reply.json()
    assert reply.status_code == fault.status
    assert body["errors"][0]["field"] == fault.field
    assert body["message"] == body["detail"] == body["error"]
    assert "candidates" not in body["detail"]
    assert body["error_type"] == fault.kind
    assert client.metric("aisle_refused_total", reason=body["code"]) == 1


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[]", b'{"query": NaN}', b'{"query": "a", "texts": ["\\ud800"]}'])
def test_what_is_no_json_object_is_refused(client: AppClient, raw: bytes) -> None:
    assert client.post("/rerank", content=raw).status_code == 422


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b'"\\ud800"', "must be valid Unicode: it has a lone surrogate"),
        (b'{"price": 1e999}', "must be a finite number"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(client: AppClient, document: bytes, message: str) -> None:
    reply = client.post("/v2/rerank", content=b'{"query": "a", "documents": ["b", %b]}' % document)
    assert reply.status_code == 422
    (error,) = reply.json()["errors"]
    assert (error["field"].removesuffix(".price"), error["message"]) == ("documents[1]", message)


@pytest.mark.parametrize("fields", [{"documents": [0] * 1001}, {"documents": TEXTS, "rank_fields": ["a"] * 101}])
def test_what_would_take_long_to_refuse_is_refused_once(client: AppClient, fields: dict[str, Any]) -> None:
    reply = rerank(client, "/v1/rerank", **fields)
    assert reply.status_code in (413, 422)
    assert len(reply.json()["errors"]) <= 1


def test_more_fields_than_any_dialect_has_are_refused(client: AppClient) -> None:
    reply = rerank(client, "/v1/rerank", documents=TEXTS, **{f"f{number}": 1 for number in range(101)})
    assert (reply.status_code, reply.json()["message"]) == (413, "The body has 103 fields; the limit is 100.")


def test_too_many_documents_are_refused_in_the_caller_s_words(serve: Serve) -> None:
    reply = rerank(serve(max_candidates=2), "/v1/rerank", documents=TEXTS)
    assert reply.status_code == 413
    assert reply.json()["message"] == "The body has 3 documents; the limit is 2."


def test_a_full_queue_says_when_to_come_again(serve: Serve) -> None:
    client = serve(queue_tokens=256, max_candidates=1)
    client.service.stages.admission.outstanding = 256
    for path, called in [("/v2/rerank", "documents"), ("/rerank", "texts")]:
        reply = rerank(client, path, **{called: ["good"]})
        assert (reply.status_code, reply.json()["error_type"]) == (429, "Overloaded")
        assert reply.headers["retry-after"].isdecimal()


def test_a_deadline_that_leaves_nothing_scored_is_told(client: AppClient) -> None:
    hopeless = {"x-deadline-ms": "1e-9"}
    for path, called in [("/v2/rerank", "documents"), ("/rerank", "texts")]:
        reply = client.post(path, json={"query": "red", called: TEXTS}, headers=hopeless)
        assert (reply.status_code, reply.json()["code"]) == (504, "deadline_exceeded")
        assert reply.json()["message"] == reply.json()["detail"] == reply.json()["error"]


def test_too_large_a_body_is_refused_in_the_dialect(serve: Serve) -> None:
    reply = rerank(serve(max_body_bytes=1000, max_text_chars=500), "/rerank", texts=["good " * 300])
    assert (reply.status_code, reply.json()["error_type"]) == (413, "Validation")


def test_keys_hold_here_too(serve: Serve) -> None:
    client = serve(api_keys=["secret"])
    assert rerank(client, "/v2/rerank", documents=TEXTS).status_code == 401
    reply = client.post(
        "/v2/rerank", json={"query": "red", "documents": TEXTS}, headers={"authorization": "Bearer secret"}
    )
    assert reply.status_code == 200


def test_a_draining_service_says_so(make_service: MakeService) -> None:
    with running(make_service()) as client:
        client.service.lifecycle.start_draining()
        reply = rerank(client, "/rerank", texts=TEXTS)
        assert (reply.status_code, reply.json()["error_type"]) == (503, "Unhealthy")
        assert reply.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 503


def test_info_and_health_are_where_tei_s_clients_look(client: AppClient) -> None:
    assert client.get("/health").status_code == 200
    info = client.get("/info").json()
    assert (info["model_id"], info["model_sha"], info["max_input_length"]) == ("tiny", "7", 21)
    assert "reranker" in info["model_type"]
