"""The readable text of a scrap of HTML, as shops' long descriptions are."""

from __future__ import annotations

import html
import re

# `\Z` ends what is never closed, so that no pattern is tried twice over the same text.
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


def html_text(source: str) -> str:
    """The text without tags, comments, scripts and styles, entities resolved, white space single.

    Plain text goes through: "<" before anything but a letter or "/" is a sign, as in "x < 5". A tag counts as a space.
    """
    if "<" in source:
        source = _TAG.sub(" ", _UNSEEN.sub(" ", source))
    if "&" in source:
        source = html.unescape(source)
    return " ".join(source.split())
