from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.server_process import ROOT, command, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


class Collector(HTTPServer):
    """A small receiver of OTLP over HTTP on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.paths: set[str] = set()
        self.spans: list[Span] = []


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.paths.add(self.path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def test_spans_reach_the_collector(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        with serving(bundle, tracing=True) as server:
            reply = server.http.post(
                "/score",
                json={"query": "red", "candidates": ["good", "bad"]},
                headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "x-request-id": "shop-1"},
            )
            server.terminate()
            assert server.exit_code() == 0
    assert collector.paths == {"/v1/traces"}
    spans = {span.name: span for span in collector.spans}
    request = spans.pop("POST /score")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert {span.parent_span_id for span in spans.values()} == {request.span_id}
    told = {f"x-aisle-{name}-ms": span for name, span in {**spans, "total": request}.items()}
    assert {name: (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6 for name, span in told.items()} == {
        name: float(value) for name, value in reply.headers.items() if name.startswith("x-aisle-")
    }


def test_a_collector_that_is_down_costs_no_request_and_no_exit(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        gone = collector.server_port
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{gone}")
    with serving(bundle, tracing=True) as server:
        assert server.score("red", ["good"]).status_code == 200
        server.terminate()
        assert server.exit_code() == 0
        assert all(line["level"] for line in server.log_fields())


def test_without_the_packages_the_start_fails_in_one_line(bundle: Path) -> None:
    arguments, environment = command(bundle, tracing=True)
    script = "import sys; sys.modules['opentelemetry.sdk'] = None; import service.__main__ as m; sys.exit(m.main())"
    ended = subprocess.run(
        [arguments[0], "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 1
    assert len(lines) == 1
    assert "extra 'otel'" in lines[0]


def test_starting_without_tracing_loads_none_of_it() -> None:
    imported = "import sys, service.start, service.serving"
    script = f"{imported}; print([name for name in sys.modules if 'otel' in name or '.sdk' in name])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
