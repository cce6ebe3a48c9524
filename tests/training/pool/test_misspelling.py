from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.pool.misspelling import joined, misspell, neighbours_of

phrases = st.lists(st.sampled_from(["running", "shoe", "usb", "c", "15.6", "16gb", "t-shirt", "lamp"]), min_size=1).map(
    " ".join
)


@given(phrases, st.integers(0, 1000))
def test_a_slip_changes_one_place_and_no_number(text: str, seed: int) -> None:
    slipped = misspell(text, random.Random(seed))
    assert slipped == misspell(text, random.Random(seed))
    assert abs(len(slipped) - len(text)) <= 1
    assert [c for c in slipped if c.isdigit()] == [c for c in text if c.isdigit()]
    before, after = text.split(" "), slipped.split(" ")
    # One word changed, or two became one.
    assert len(after) == len(before) - 1 or sum(a != b for a, b in zip(before, after, strict=True)) <= 1


def test_every_kind_of_slip_happens() -> None:
    slips = {misspell("desk lamp", random.Random(seed)) for seed in range(400)}
    # A missing space, a doubled, a dropped and a swapped letter, and a neighbour of one.
    assert {"desklamp", "dessk lamp", "desk lmp", "dsek lamp", "desk lanp"} <= slips
    assert "desk lamp" not in slips
    # The first letter of a word stays.
    assert "desk kamp" not in slips


@pytest.mark.parametrize("text", ["tv", "usb 3", "15.6 16gb", ""])
def test_what_has_no_longer_word_stays(text: str) -> None:
    assert misspell(text, random.Random(0)) == text


def test_neighbours_are_near_on_the_keyboard_and_mutual() -> None:
    assert set(neighbours_of("g")) == set("fhtyvb")
    assert neighbours_of("é") == ""
    letters = "qwertyuiopasdfghjklzxcvbnm"
    assert all(letter in neighbours_of(near) for letter in letters for near in neighbours_of(letter))


def test_only_words_of_letters_are_joined() -> None:
    assert joined("usb c 3", random.Random(0)) == "usbc 3"
    assert joined("size 9", random.Random(0)) == "size 9"
