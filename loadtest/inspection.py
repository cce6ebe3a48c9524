"""What a reply of `POST /score` says, read while the load runs so that replies need not be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from loadtest.faults import NOT_SCORES


class Inspection(NamedTuple):
    """Of a reply of status 200: the kind of fault in it, if any, and whether its deadline left pairs unscored."""

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
