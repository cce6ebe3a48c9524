"""What a reply of `POST /score` and its headers say, read while the load runs so that replies need not be kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from loadtest.faults import NOT_SCORES
from loadtest.outcomes import Outcome, Stages

TEXT_BYTES = 300

STAGE_HEADERS = tuple(f"x-aisle-{stage}-ms" for stage in Stages._fields)


DEGRADED_HEADER = "x-aisle-degraded"
"""Of the rerank routes, some of whose bodies have no place for it."""


class Inspection(NamedTuple):
    """Of a reply of status 200: the kind of fault in it, if any, and whether it says that pairs were left unscored."""

    fault: str
    degraded: bool


Inspect = Callable[[bytes, int], Inspection]
"""Body of a reply and the pairs that were asked for → what it says. It has to be a function of a module."""


def inspect_score(reply: bytes, pairs: int) -> Inspection:
    """Whether it is a reply to so many pairs; never raises, whatever the bytes are."""
    try:
        parsed = json.loads(reply)
        complete = parsed["total"] == pairs and isinstance(parsed["results"], list)
        return Inspection("" if complete else NOT_SCORES, bool(parsed["degraded"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Inspection(NOT_SCORES, False)


def inspected(outcome: Outcome, inspect: Inspect) -> Outcome:
    """The outcome with what its reply says instead of the reply; of a failure, the reply's beginning as its text."""
    fault, degraded = inspect(outcome.reply, outcome.pairs) if outcome.status == 200 else Inspection("", False)
    well = outcome.status == 200 and not fault
    text = "" if well else f"status {outcome.status}: {outcome.reply[:TEXT_BYTES].decode(errors='replace')}"
    return replace(outcome, reply=b"", error=text, fault=fault, degraded=outcome.degraded or degraded)


def degraded_in(headers: Mapping[str, str]) -> bool:
    """Whether the headers tell that the deadline left pairs unscored."""
    return headers.get(DEGRADED_HEADER) == "true"


def stages_in(headers: Mapping[str, str]) -> Stages | None:
    """What the headers tell; None unless they tell all of it, in numbers."""
    try:
        return Stages(*(float(headers[name]) for name in STAGE_HEADERS))
    except (KeyError, ValueError):
        return None
