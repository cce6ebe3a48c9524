"""Structured logs: one JSON object a line on standard error, with the id of the request at hand.

A message is constant text; what varies goes in `extra={"fields": {...}}`. API keys are never given to
a logger: settings hold them as secrets, and the access line has no headers.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

_encode = json.JSONEncoder(default=str).encode

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Id of the request being answered in this context, or None outside of one."""
    return request_id_var.get()


def configure_logging(level: str) -> None:
    """Send all logging of the process, uvicorn's too, through one JSON handler."""
    # A line names neither thread, process, task nor place in the code: looking them up is most of a record's cost.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """Turns a record into one line of JSON; line breaks in messages and tracebacks are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := current_request_id()) is not None:
            line["request_id"] = request_id
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            # The formatter's own keys win: a field must not be able to forge a level or a request id.
            line.update({name: value for name, value in fields.items() if name not in line})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line)
