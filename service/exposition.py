"""The two texts of `/metrics`: OpenMetrics with exemplars for whoever accepts it, Prometheus' classic one otherwise."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics

EXEMPLAR_CHARS = 128
"""OpenMetrics' limit for names and values of one exemplar's labels together."""

_REQUEST_ID = "request_id"


class Exposition(NamedTuple):
    """What a scrape is answered with."""

    text: bytes
    content_type: str


def expose(registry: CollectorRegistry, accept: str) -> Exposition:
    """All metrics of `registry`, in the format that the `Accept` header asks for; whatever that says, there is one."""
    if _accepts_openmetrics(accept):
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # the library's
        return Exposition(text, openmetrics.CONTENT_TYPE_LATEST)
    return Exposition(generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4)


def exemplar_of(request_id: str | None) -> dict[str, str] | None:
    """Labels of an exemplar that leads to the request; None where its id is unknown or too long for one."""
    if request_id is None or len(_REQUEST_ID) + len(request_id) > EXEMPLAR_CHARS:
        return None
    return {_REQUEST_ID: request_id}


def _accepts_openmetrics(accept: str) -> bool:
    # The library's own negotiation raises on a malformed version and claims versions that it does not write.
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        values = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        version = values.get("version", "1.0.0").strip('"')
        if name == "application/openmetrics-text" and version == "1.0.0" and _weight(values.get("q", "1")) > 0:
            return True
    return False


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
