"""With and without: both are asked for, each against three wordings of the other."""

from __future__ import annotations

from collections.abc import Sequence

from training.checks.contrast.case import Case

FOOD_WITHOUT, FOOD_WITH = ("Without {}", "{} Free", "No {}"), ("With {}", "Contains {}", "Added {}")
FOOD = (
    ("Cola", "Sugar"),
    ("Pasta", "Gluten"),
    ("Oat Biscuits", "Milk"),
    ("Ground Coffee", "Caffeine"),
    ("Soy Sauce", "Salt"),
    ("Cooking Spray", "Palm Oil"),
    ("Muesli", "Coconut"),
    ("Sponge Cake", "Egg"),
    ("Face Cream", "Perfume"),
    ("Shampoo", "Silicone"),
    ("Deodorant", "Aluminium"),
    ("Mouthwash", "Alcohol"),
)
PART_MISSING, PART_THERE = ("Without {}", "No {}", "Excluding {}"), ("With {}", "{} Included", "Extra {}")
PARTS = (
    ("Canvas Shoes", "Laces"),
    ("Rain Jacket", "Hood"),
    ("Mirror", "Frame"),
    ("Storage Box", "Lid"),
    ("Ceiling Fan", "Light"),
    ("Bed Frame", "Headboard"),
    ("Bar Stool", "Backrest"),
    ("Notebook", "Lines"),
    ("Dress", "Pockets"),
    ("Bra", "Underwire"),
    ("Suitcase", "Wheels"),
    ("Umbrella", "Print"),
)
ONE_WORD = (
    ("Drill", ("Cordless", "Without Cord", "No Cord"), ("Corded", "With Cord", "Long Cord")),
    ("Mouse", ("Wireless", "Without Wire", "No Wire"), ("Wired", "With Wire", "Braided Wire")),
    ("Vest", ("Sleeveless", "Without Sleeves", "No Sleeves"), ("With Sleeves", "Sleeved", "Long Sleeves")),
    ("Swimsuit", ("Strapless", "Without Straps", "No Straps"), ("With Straps", "Wide Straps", "Crossed Straps")),
    ("Motor", ("Brushless", "Without Brushes", "No Brushes"), ("Brushed", "With Brushes", "Carbon Brushes")),
    ("Leggings", ("Seamless", "Without Seams", "No Seams"), ("With Seams", "Flat Seams", "Double Seams")),
    ("Candle", ("Unscented", "Scent Free", "No Scent"), ("Scented", "With Scent", "Strong Scent")),
    ("Butter", ("Unsalted", "Salt Free", "No Salt"), ("Salted", "With Salt", "Sea Salt")),
    ("Wool", ("Undyed", "Dye Free", "No Dye"), ("Dyed", "With Dye", "Plant Dye")),
    ("Socks", ("Non Slip", "Anti Slip", "Slip Resistant"), ("Slip On", "Easy Slip On", "Quick Slip On")),
)
BEHIND_THE_KIND = ("With ", "Without ", "No ", "Excluding ")


def negation_cases() -> list[Case]:
    """Two cases a row: without it and with it."""
    rows = [
        *((kind, _filled(FOOD_WITHOUT, thing), _filled(FOOD_WITH, thing)) for kind, thing in FOOD),
        *((kind, _filled(PART_MISSING, thing), _filled(PART_THERE, thing)) for kind, thing in PARTS),
        *ONE_WORD,
    ]
    return [case for number, row in enumerate(rows) for case in _both_ways(number, *row)]


def _filled(wordings: Sequence[str], thing: str) -> tuple[str, ...]:
    return tuple(wording.format(thing) for wording in wordings)


def _both_ways(number: int, kind: str, without: Sequence[str], having: Sequence[str]) -> list[Case]:
    """The right title's wording is now the query's own, now another."""
    lacking, has = (tuple(f"{kind}, {wording}, Classic" for wording in side) for side in (without, having))
    # All wordings of `without` mean the same; those of `having` say more than the first.
    asked = without[number % len(without)], having[0]
    place = (number + number // len(without)) % len(without)
    return [
        Case(_query(kind, asked[0]), lacking[place], has),
        Case(_query(kind, asked[1]), has[place], lacking),
    ]


def _query(kind: str, wording: str) -> str:
    """`sugar free cola`, but `cola without sugar`."""
    behind = wording.startswith(BEHIND_THE_KIND)
    return (f"{kind} {wording}" if behind else f"{wording} {kind}").lower()
