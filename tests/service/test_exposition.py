from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.exposition import EXEMPLAR_CHARS, exemplar_of, expose
from tests.service.app_client import AppClient

CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", CLASSIC),
        ("*/*", CLASSIC),
        ("text/html, text/plain;version=a.b", CLASSIC),
        ("application/openmetrics-text", OPENMETRICS),
        (PROMETHEUS, OPENMETRICS),
        ('text/plain;q=0.5, Application/OpenMetrics-Text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", CLASSIC),
        ("application/openmetrics-text;version=x", CLASSIC),
        ("application/openmetrics-text;q=0", CLASSIC),
        ("application/openmetrics-text;q=high", CLASSIC),
    ],
)
def test_the_format_is_what_is_accepted(accept: str, content_type: str) -> None:
    exposition = expose(CollectorRegistry(), accept)
    assert exposition.content_type == content_type
    assert exposition.text == (b"# EOF\n" if content_type == OPENMETRICS else b"")


@given(st.text())
def test_no_accept_header_breaks_a_scrape(accept: str) -> None:
    assert expose(CollectorRegistry(), accept).content_type in (CLASSIC, OPENMETRICS)


def test_an_id_that_fills_an_exemplar_is_taken_and_a_longer_one_is_not() -> None:
    longest = "x" * (EXEMPLAR_CHARS - len("request_id"))
    assert exemplar_of(longest) == {"request_id": longest}
    assert exemplar_of(longest + "x") is None
    assert exemplar_of(None) is None


def exemplars(client: AppClient) -> dict[str, tuple[str, float]]:
    """Stage → request id and seconds, as a parser reads them."""
    reply = client.get("/metrics", headers={"accept": PROMETHEUS})
    assert reply.headers["content-type"] == OPENMETRICS
    samples = [sample for family in text_string_to_metric_families(reply.text) for sample in family.samples]
    found = [(sample.labels["stage"], sample.exemplar) for sample in samples if sample.exemplar is not None]
    return {stage: (exemplar.labels["request_id"], exemplar.value) for stage, exemplar in found}


def test_exemplars_headers_and_reply_agree(client: AppClient) -> None:
    reply = client.post("/score", json={"query": "red", "candidates": ["good"]}, headers={"x-request-id": "shop-1"})
    assert exemplars(client) == {
        stage: ("shop-1", pytest.approx(milliseconds / 1000, abs=1e-9))
        for stage, milliseconds in reply.json()["timing_ms"].items()
    }
    assert "shop-1" not in client.get("/metrics").text


def test_the_longest_request_id_breaks_nothing(client: AppClient) -> None:
    reply = client.post("/score", json={"query": "red", "candidates": ["good"]}, headers={"x-request-id": "x" * 128})
    assert reply.status_code == 200
    assert exemplars(client) == {}
    assert client.metric("aisle_stage_seconds_count", stage="total") == 1
