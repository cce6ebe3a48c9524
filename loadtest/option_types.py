"""Numbers of a command line: argparse tells what is wrong with one, and by which option."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", int, float)


def positive(kind: Callable[[str], T]) -> Callable[[str], T]:
    """Reads a finite number above 0."""

    def parse(text: str) -> T:
        if not 0 < (value := _number(kind, text)) < math.inf:
            raise ArgumentTypeError(f"takes a number above 0, got {text}")
        return value

    return parse


def share_below_one(text: str) -> float:
    """Reads a number from 0 on and below 1."""
    if not 0 <= (value := _number(float, text)) < 1:
        raise ArgumentTypeError(f"takes a share from 0 to below 1, got {text}")
    return value


def _number(kind: Callable[[str], T], text: str) -> T:
    try:
        return kind(text)
    except ValueError as error:
        whole = "whole " if kind is int else ""
        raise ArgumentTypeError(f"takes a {whole}number, got {text!r}") from error
