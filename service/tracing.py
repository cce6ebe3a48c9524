"""OpenTelemetry spans: one for each request and one for each of its stages, made when the request has ended.

They are drawn from the timings that were recorded once, so spans, headers, reply and histogram agree. This
module needs the extra `otel` and is imported only when `AISLE_TRACING` is on. Where spans go, and which are
kept, is said by the standard OTEL_* variables; they are sent in the background, by OTLP over HTTP.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.errors import SettingsError
from service.served import Served, Timings

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""How long the last spans may take to be delivered; a collector that is down must not hold up the exit."""

_ONLY = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}
"""What these variables may say; the SDK's classes would pass over anything else in silence."""

_PROPAGATOR = TraceContextTextMapPropagator()


class SpanRecorder:
    """Turns served requests into spans of `provider`. `wall_ns` tells nanoseconds since the epoch."""

    def __init__(self, provider: TracerProvider, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("aisle")
        self._wall_ns = wall_ns

    def request_served(self, served: Served) -> None:
        """Record a request that has ended just now."""
        start = self._wall_ns() - _nanoseconds(served.seconds)
        span = self._tracer.start_span(
            f"{served.method} {served.route}" if served.route else served.method,
            context=_PROPAGATOR.extract(served.headers),
            kind=SpanKind.SERVER,
            attributes=_attributes(served),
            start_time=start,
        )
        if served.status >= 500:
            span.set_status(StatusCode.ERROR)
        seconds = served.seconds
        if served.scored is not None:
            seconds = served.scored.timings.total
            self._record_stages(span, start, served.scored.timings)
        span.end(start + _nanoseconds(seconds))

    def _record_stages(self, request: Span, start: int, timings: Timings) -> None:
        context = set_span_in_context(request)
        for name, stage in timings.stages().items():
            stage_start = start + _nanoseconds(stage.begun)
            span = self._tracer.start_span(name, context=context, start_time=stage_start)
            span.end(stage_start + _nanoseconds(stage.seconds))

    def close(self) -> None:
        """Deliver what is left, or give that up after CLOSE_SECONDS."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            logger.warning("the last spans were not delivered: the collector does not answer")


def open_recorder() -> SpanRecorder:
    """A recorder as the OTEL_* variables say; SettingsError where one of them cannot be used."""
    for name, value in _ONLY.items():
        if os.environ.get(name, value) not in ("", value):
            raise SettingsError(f"AISLE_TRACING is on, and spans are sent as {value} only; unset {name}")
    # What a client puts into its trace headers must not fill the log.
    logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
    try:
        # Not made the process' own provider: libraries that look for one would add spans of theirs.
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except Exception as error:
        raise SettingsError(f"AISLE_TRACING is on, but an OTEL_* variable cannot be used: {error}") from error
    return SpanRecorder(provider)


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "aisle"}))
    return resource


def _attributes(served: Served) -> Mapping[str, str | int | bool]:
    attributes: dict[str, str | int | bool] = {
        "http.request.method": served.method,
        "http.response.status_code": served.status,
        "aisle.request_id": served.request_id,
    }
    if served.route is not None:
        attributes["http.route"] = served.route
    if served.scored is not None:
        attributes["aisle.candidates"] = served.scored.candidates
        attributes["aisle.scored"] = served.scored.scored
        attributes["aisle.degraded"] = served.scored.degraded
    return attributes


def _nanoseconds(seconds: float) -> int:
    """Whole microseconds, which is what timings are recorded in, as nanoseconds."""
    return round(seconds * 1_000_000) * 1000
