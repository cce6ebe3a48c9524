from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.gpu_bench.requests import bodies_of_length
from loadtest.raw_session import pairs_of
from relevance.bundle import load_bundle


@pytest.mark.parametrize("length", [16, 32, 40])
def test_every_pair_has_the_length_that_was_asked_for(length: int) -> None:
    rule = load_bundle(Path("models/cross-encoder")).pair_encoder()
    bodies = bodies_of_length(rule, length, candidates=7, count=3)
    assert [len(body["candidates"]) for body in bodies] == [7, 7, 7]
    assert {len(pair) for body in bodies for pair in pairs_of(rule, body)} == {length}


def test_a_length_that_the_template_cuts_is_refused() -> None:
    rule = load_bundle(Path("models/cross-encoder")).pair_encoder()
    with pytest.raises(ValueError, match="cannot hold pairs of 90 tokens"):
        bodies_of_length(rule, 90, candidates=1, count=1)
