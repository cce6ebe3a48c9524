"""Where a score came from."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Where a logit came from."""

    MODEL = "model"
    SCORE_CACHE = "score_cache"
    IDENTICAL_PAIR = "identical_pair"
    """The same pair was being scored, for this request or another."""
