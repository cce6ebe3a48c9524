"""The one rule for a mean over queries and its interval, and how tables write both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from relevance.ranking_metrics import Interval, bootstrap_interval

NO_INTERVAL = "one query: no interval"


def interval_of(per_query: npt.ArrayLike) -> Interval:
    """Mean of a metric (q,) with its 95 % bootstrap interval over the queries where it is defined.

    One query has a value, but no interval (nan): each resample is that query again, which would read as certainty.
    """
    values = np.asarray(per_query, dtype=np.float64)
    given = bootstrap_interval(values)
    if np.count_nonzero(~np.isnan(values)) == 1:
        return Interval(given.mean, float("nan"), float("nan"))
    return given


def has_interval(values: Mapping[str, Any]) -> bool:
    """Whether {mean, low, high}, in which null or nan is undefined, has more than a mean."""
    return values["low"] is not None and not math.isnan(values["low"])


def in_brackets(values: Mapping[str, Any], sign: str = "") -> str:
    """The mean with what is known of its interval: `0.7120 [0.680, 0.744]`."""
    if values["mean"] is None or math.isnan(values["mean"]):
        return "undefined"
    mean = f"{values['mean']:{sign}.4f}"
    if not has_interval(values):
        return f"{mean} ({NO_INTERVAL})"
    return f"{mean} [{values['low']:{sign}.3f}, {values['high']:{sign}.3f}]"
