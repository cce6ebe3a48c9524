from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.errors import SettingsError
from service.served import Scored, Served, Stage, Timings
from service.tracing import SpanRecorder, open_recorder
from tests.service.app_client import AppClient, running
from tests.service.conftest import MakeService, Serve

TIMINGS = Timings(Stage(0.001, 0.002), Stage(0.003, 0.004), Stage(0.007, 0.01), total=0.018)
SCORED = Scored(TIMINGS, candidates=5, scored=3, truncated=0)
SERVED = Served("POST", "/score", 200, 0.019, "shop-1", {}, SCORED)
NOW = 1_700_000_000_000_000_000
START = NOW - 19_000_000
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Traced:
    recorder: SpanRecorder
    exporter: InMemorySpanExporter

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced() -> Traced:
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traced(SpanRecorder(provider, wall_ns=lambda: NOW), exporter)


def microseconds(span: ReadableSpan) -> tuple[float, float]:
    """From the request's start to the span's, and its length."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.start_time - START) / 1000, (span.end_time - span.start_time) / 1000


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_scored_request_is_a_span_with_one_for_each_stage(traced: Traced) -> None:
    traced.recorder.request_served(SERVED)
    assert {name: microseconds(span) for name, span in traced.spans.items()} == {
        "POST /score": (0, 18_000),
        "tokenize": (1000, 2000),
        "queue": (3000, 4000),
        "inference": (7000, 10_000),
    }
    request = traced.spans["POST /score"]
    assert (request.kind, request.parent) == (SpanKind.SERVER, None)
    parents = [span.parent for name, span in traced.spans.items() if name != "POST /score"]
    assert parents == [request.context] * 3
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/score",
        "http.response.status_code": 200,
        "aisle.request_id": "shop-1",
        "aisle.candidates": 5,
        "aisle.scored": 3,
        "aisle.degraded": True,
    }


def test_the_callers_trace_goes_on(traced: Traced) -> None:
    traced.recorder.request_served(replace(SERVED, headers={"traceparent": TRACEPARENT}))
    request = traced.spans["POST /score"]
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}-{request.parent.span_id:016x}" == TRACEPARENT[3:-3]
    assert {span.context.trace_id for span in traced.spans.values() if span.context} == {request.parent.trace_id}


def test_what_the_caller_does_not_sample_is_not_recorded(traced: Traced) -> None:
    traced.recorder.request_served(replace(SERVED, headers={"traceparent": TRACEPARENT[:-1] + "0"}))
    assert traced.spans == {}


@pytest.mark.parametrize("given", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_a_malformed_parent_begins_a_trace(traced: Traced, given: str) -> None:
    traced.recorder.request_served(replace(SERVED, headers={"traceparent": given}))
    assert traced.spans["POST /score"].parent is None


@pytest.mark.parametrize(("status", "told"), [(429, StatusCode.UNSET), (500, StatusCode.ERROR)])
def test_a_refused_request_is_a_span_alone(traced: Traced, status: int, told: StatusCode) -> None:
    traced.recorder.request_served(replace(SERVED, status=status, scored=None))
    (span,) = traced.spans.values()
    assert microseconds(span) == (0, 19_000)
    assert span.status.status_code is told
    assert "aisle.scored" not in attributes(span)


def test_a_path_of_no_route_names_no_span(traced: Traced) -> None:
    traced.recorder.request_served(replace(SERVED, method="GET", route=None, status=404, scored=None))
    (span,) = traced.spans.values()
    assert span.name == "GET"
    assert "http.route" not in attributes(span)


@pytest.fixture
def client(make_service: MakeService, traced: Traced) -> Any:
    with running(replace(make_service(), observer=traced.recorder)) as client:
        yield client


def test_spans_headers_and_reply_agree(client: AppClient, traced: Traced) -> None:
    reply = client.post("/score", json={"query": "red", "candidates": ["good", "bad"]}, headers={"x-request-id": "s"})
    lengths = {name: microseconds(span)[1] / 1000 for name, span in traced.spans.items()}
    assert lengths.pop("POST /score") == float(reply.headers["x-aisle-total-ms"])
    assert lengths == {stage: float(reply.headers[f"x-aisle-{stage}-ms"]) for stage in lengths}
    assert {**lengths, "total": reply.json()["timing_ms"]["total"]} == reply.json()["timing_ms"]
    assert attributes(traced.spans["POST /score"])["aisle.request_id"] == "s"


def test_stages_follow_one_another_within_the_request(client: AppClient, traced: Traced) -> None:
    client.score("red", ["good", "bad"])
    ends = [sum(microseconds(traced.spans[name])) for name in ("tokenize", "queue", "inference", "POST /score")]
    begins = [microseconds(traced.spans[name])[0] for name in ("POST /score", "tokenize", "queue", "inference")]
    assert begins == sorted(begins)
    # Each begin and length is rounded to a microsecond of its own.
    assert all(end <= later + 2 for end, later in pairwise(ends))


def test_refusals_are_traced_and_probes_and_scrapes_are_not(client: AppClient, traced: Traced) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        client.get(path)
    assert client.post("/score", content=b"{").status_code == 422
    assert list(traced.spans) == ["POST /score"]
    assert attributes(traced.spans["POST /score"])["http.response.status_code"] == 422


def test_an_end_delivers_what_is_left(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr("service.tracing.OTLPSpanExporter", lambda: exporter)
    with running(make_service(tracing=True)) as client:
        client.score("red", ["good"])
    assert [span.name for span in exporter.get_finished_spans()].count("POST /score") == 1


class Unreachable(SpanExporter):
    def __init__(self) -> None:
        self.asked = threading.Event()
        self.back = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.back.wait()
        return SpanExportResult.FAILURE


def test_a_collector_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable = Unreachable()
    monkeypatch.setattr("service.tracing.OTLPSpanExporter", lambda: unreachable)
    monkeypatch.setattr("service.tracing.CLOSE_SECONDS", 0.0)
    recorder = open_recorder()
    recorder.request_served(SERVED)
    recorder.close()
    assert "were not delivered" in caplog.text
    assert unreachable.asked.wait(10)
    unreachable.back.set()


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": TRACEPARENT + "-" + "x" * 9000},
        {"traceparent": TRACEPARENT, "tracestate": "no member of a list"},
    ],
)
def test_what_a_client_sends_as_its_trace_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    monkeypatch.setattr("service.tracing.OTLPSpanExporter", InMemorySpanExporter)
    recorder = open_recorder()
    recorder.request_served(replace(SERVED, headers=headers))
    recorder.close()
    assert caplog.records == []


@pytest.mark.parametrize(("variables", "name"), [({}, "aisle"), ({"OTEL_SERVICE_NAME": "shop-rank"}, "shop-rank")])
def test_the_services_name_can_be_set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr("service.tracing.OTLPSpanExporter", lambda: exporter)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    recorder = open_recorder()
    recorder.request_served(SERVED)
    recorder.close()
    assert {span.resource.attributes["service.name"] for span in exporter.get_finished_spans()} == {name}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1", "max_export_batch_size"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "unset OTEL_TRACES_EXPORTER"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "unset OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
def test_a_variable_that_cannot_be_used_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"AISLE_TRACING .*{told}") as refused:
        open_recorder()
    assert "\n" not in str(refused.value)


def test_without_the_packages_the_start_names_the_extra(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "service.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(SettingsError, match=r"AISLE_TRACING .*extra 'otel'"):
        make_service(tracing=True)


def test_nothing_is_observed_when_it_is_off(serve: Serve) -> None:
    assert serve().service.observer is None
