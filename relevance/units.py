"""Units in which settings are given."""

from __future__ import annotations

from typing import Final

MEBIBYTE: Final = 1024 * 1024
"""Bytes."""
