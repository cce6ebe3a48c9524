"""Other numbers and other units of one kind of product, and numbers that belong to something else."""

from __future__ import annotations

from collections.abc import Sequence

from training.checks.contrast.case import Case, ask_for_each

MEASURES = (
    ("HDMI Cable", ("1 m", "2 m", "20 m", "2 ft")),
    ("Monitor", ("24 inch", "27 inch", "32 inch", "72 inch")),
    ("Garden Hose", ("5 m", "15 m", "50 m", "15 ft")),
    ("LED Bulb", ("4 W", "40 W", "60 W", "100 W")),
    ("Power Bank", ("5000 mAh", "10000 mAh", "15000 mAh", "20000 mAh")),
    ("Battery Drill", ("12 V", "18 V", "20 V", "36 V")),
    ("USB Stick", ("16 GB", "32 GB", "64 GB", "128 GB")),
    ("Water Bottle", ("350 ml", "500 ml", "750 ml", "5 l")),
    ("Basmati Rice", ("1 kg", "2 kg", "10 kg", "2 lb")),
    ("Running Shoes", ("Size 41", "Size 42", "Size 43", "Size 44", "Size 24")),
    ("Ankle Socks", ("Pack of 3", "Pack of 5", "Pack of 6", "Pack of 12")),
    ("Fitted Sheet", ("90 x 200 cm", "140 x 200 cm", "160 x 200 cm", "180 x 200 cm")),
    ("Dumbbell", ("2 kg", "5 kg", "10 kg", "20 kg", "5 lb")),
    ("Copy Paper", ("A3", "A4", "A5", "A6")),
    ("Machine Screws", ("M3", "M4", "M5", "M8")),
)
COMPUTERS = ("Laptop", "Tablet")
MEMORY = ((16, 64), (64, 16), (8, 32), (32, 8))
"""RAM and storage: each number is of one in one title, and of the other in another."""


def measure_cases() -> list[Case]:
    """Every measure of every kind, and every computer by its RAM and by its storage."""
    rows = [_of_kind(number, kind, measures) for number, (kind, measures) in enumerate(MEASURES)]
    return [case for row in (*rows, *map(_computers, COMPUTERS)) for case in row]


def _of_kind(row: int, kind: str, measures: Sequence[str]) -> list[Case]:
    titles = [_spelt(measure, joined=row % 2 == 1) for measure in measures]
    form = "{kind}, {measure}, Classic" if row % 4 < 2 else "{measure} {kind}, Classic"
    return ask_for_each(
        (_query(number, kind, measures[number]), form.format(kind=kind, measure=title))
        for number, title in enumerate(titles)
    )


def _computers(kind: str) -> list[Case]:
    titles = {memory: f"{kind}, {memory[0]} GB RAM, {memory[1]} GB Storage, Classic" for memory in MEMORY}
    asked = [
        (f"{memory[place]} GB {part}", title)
        for memory, title in titles.items()
        for place, part in enumerate(("RAM", "storage"))
    ]
    # Each part is asked for in both spellings: a title's two queries come together.
    return ask_for_each((_query(number // 2, kind, measure), title) for number, (measure, title) in enumerate(asked))


def _query(number: int, kind: str, measure: str) -> str:
    """The measure before or behind the kind, joined to its unit or apart: shoppers write all of these."""
    spelt = _spelt(measure, joined=number % 4 in (1, 2))
    return (f"{spelt} {kind}" if number % 2 else f"{kind} {spelt}").lower()


def _spelt(measure: str, *, joined: bool) -> str:
    """`16 GB` or `16GB`; a measure that begins with a word has no other spelling."""
    number, _, rest = measure.partition(" ")
    return f"{number}{rest}" if joined and number.isdigit() and not rest.startswith("x ") else measure
