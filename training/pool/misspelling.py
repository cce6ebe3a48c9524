"""Slips of the finger in a query: what a shopper's keyboard does to a phrase that was meant well.

Digits are left alone: another size or model is another wish, not a slip.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SHORTEST_WORD = 4
"""Shorter words are rarely misspelt, and turn into other words when they are."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
ATTEMPTS = 5
"""A slip can give back the same text ('ee' doubled or swapped): then another one is tried."""

Slip = Callable[[str, random.Random], str]


def misspell(text: str, rng: random.Random) -> str:
    """The text with one slip; the text itself if it has no word that is long enough and made of letters."""
    for _ in range(ATTEMPTS):
        slip = rng.choice(_SLIPS)
        slipped = slip(text, rng)
        if slipped != text:
            return slipped
    return text


def joined(text: str, rng: random.Random) -> str:
    """One missing space: 'phone case' → 'phonecase'."""
    words = text.split(" ")
    places = [place for place in range(1, len(words)) if words[place - 1].isalpha() and words[place].isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    return " ".join([*words[: place - 1], words[place - 1] + words[place], *words[place + 1 :]])


def neighbours_of(letter: str) -> str:
    """The keys beside a letter's, in its row and in those above and below (each half a key to the side)."""
    for number, row in enumerate(_ROWS):
        at = row.find(letter)
        if at >= 0:
            beside = row[max(0, at - 1) : at] + row[at + 1 : at + 2]
            above = _ROWS[number - 1][at : at + 2] if number else ""
            below = _ROWS[number + 1][max(0, at - 1) : at + 1] if number + 1 < len(_ROWS) else ""
            return beside + above + below
    return ""


def _in_word(change: Callable[[str, int, random.Random], str]) -> Slip:
    """A slip within one longer word; its first letter stays, as people nearly always get that right."""

    def slip(text: str, rng: random.Random) -> str:
        words = text.split(" ")
        places = [place for place, word in enumerate(words) if len(word) >= SHORTEST_WORD and word.isalpha()]
        if not places:
            return text
        place = rng.choice(places)
        words[place] = change(words[place], rng.randrange(1, len(words[place])), rng)
        return " ".join(words)

    return slip


def _neighbour(word: str, at: int, rng: random.Random) -> str:
    near = neighbours_of(word[at].lower())
    return word[:at] + rng.choice(near) + word[at + 1 :] if near else word


def _doubled(word: str, at: int, rng: random.Random) -> str:
    return word[: at + 1] + word[at:]


def _dropped(word: str, at: int, rng: random.Random) -> str:
    return word[:at] + word[at + 1 :]


def _swapped(word: str, at: int, rng: random.Random) -> str:
    return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]


_SLIPS: tuple[Slip, ...] = (*map(_in_word, (_neighbour, _doubled, _dropped, _swapped)), joined)
