"""Numbers as the report's readers see them, and what may be said of a difference. Undefined numbers are a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from relevance.ranking_metrics import Interval
from training.evaluation.intervals import has_interval

UNDEFINED = "–"
SIGNIFICANT = 0.05
FEWEST_QUERIES = 10
"""Below this, a bootstrap over queries says little: its interval is too narrow."""


def number(value: float | None, form: str = ".3f") -> str:
    """A number as text; a dash for null and nan. A minus sign is a real one."""
    if value is None or math.isnan(value):
        return UNDEFINED
    return format(value, form).replace("-", "\N{MINUS SIGN}")


def interval(values: Mapping[str, Any], sign: str = "") -> str:
    """Mean with its interval, if it has one: `0.712 [0.680, 0.744]`."""
    mean, low, high = (number(values[key], f"{sign}.3f") for key in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]" if has_interval(values) else mean


def p_value(value: float | None) -> str:
    """`< 0.001`, or three digits."""
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def as_interval(values: Mapping[str, Any]) -> Interval:
    """Back from JSON, where nan is null."""
    return Interval(*(float("nan") if values[key] is None else float(values[key]) for key in Interval._fields))


def verdict(difference: Mapping[str, Any], queries: int, p: float | None = None) -> str:
    """What a paired difference first − second allows one to say: its interval decides, and p must agree."""
    given = as_interval(difference)
    if math.isnan(given.mean):
        return "undefined"
    if queries < FEWEST_QUERIES:
        return "too few queries to tell"
    if given.low <= 0.0 <= given.high:
        return "not significant: the interval crosses 0"
    direction = "higher" if given.mean > 0.0 else "lower"
    if p is not None and p >= SIGNIFICANT:
        return f"undecided: {direction} by the interval, not significant by the randomisation test"
    return direction
