from __future__ import annotations

from collections.abc import Iterator

import cohere
import httpx
import pytest
from cohere.errors import UnauthorizedError, UnprocessableEntityError

from loadtest.inspection import Inspection
from loadtest.routes import ROUTES, RouteName
from tests.e2e.server_process import ServerProcess, serving
from tests.service.tiny_bundle import write_bundle

TEXTS = ["bad", "good good bad", "good"]
KEY = "secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    bundle = write_bundle(tmp_path_factory.mktemp("bundle")).directory
    with serving(bundle, api_keys=KEY) as started:
        yield started


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    # Its own one is never closed.
    with httpx.Client(timeout=60) as made:
        yield made


def test_cohere_s_client_of_version_2(server: ServerProcess, http: httpx.Client) -> None:
    client = cohere.ClientV2(KEY, base_url=str(server.http.base_url), httpx_client=http)
    reply = client.rerank(model="rerank-v3.5", query="red shoe", documents=TEXTS, top_n=2, max_tokens_per_doc=512)
    assert [result.index for result in reply.results] == [1, 2]
    assert reply.results[0].relevance_score > reply.results[1].relevance_score > 0.5
    assert reply.meta is not None
    assert reply.meta.warnings == ["max_tokens_per_doc has no effect"]


def test_cohere_s_client_of_version_1(server: ServerProcess, http: httpx.Client) -> None:
    client = cohere.Client(KEY, base_url=str(server.http.base_url), httpx_client=http)
    reply = client.rerank(query="red shoe", documents=[{"text": text} for text in TEXTS], return_documents=True)
    assert [result.document.text for result in reply.results if result.document] == ["good good bad", "good", "bad"]


def test_cohere_s_client_knows_our_refusals(server: ServerProcess, http: httpx.Client) -> None:
    client = cohere.ClientV2(KEY, base_url=str(server.http.base_url), httpx_client=http)
    with pytest.raises(UnprocessableEntityError) as refused:
        client.rerank(model="m", query="red shoe", documents=["good", {"title": "a", "brand": 5}])  # type: ignore[list-item]
    assert "`documents[1].brand` must be a string" in str(refused.value)
    stranger = cohere.ClientV2("other", base_url=str(server.http.base_url), httpx_client=http)
    with pytest.raises(UnauthorizedError):
        stranger.rerank(model="m", query="red shoe", documents=TEXTS)


@pytest.mark.parametrize("name", ROUTES)
def test_the_load_tests_speak_every_route(server: ServerProcess, name: RouteName) -> None:
    route = ROUTES[name]
    body = {"query": "red shoe", "candidates": [{"title": "good", "brand": "bad"}, {"title": "fair"}]}
    call = route.call(body)
    reply = server.http.post(route.path, content=call.content, headers={"authorization": f"Bearer {KEY}"})
    assert route.inspect(reply.content, call.pairs) == Inspection("", False)
