"""Two names of the same words in another order, each asked for: `case for iphone` and `iphone with case`."""

from __future__ import annotations

from training.checks.contrast.case import Case

FORMS = ("{}, Classic, 2 Pack", "Classic {}, 2 Pack", "2 Pack {}, Classic")
"""A right title takes one of them in turn, and its wrong ones all, so that the form tells nothing."""

COMPOUNDS = (
    ("Dog", "Toy"),
    ("Cat", "Toy"),
    ("Bird", "Toy"),
    ("Oil", "Lamp"),
    ("Wax", "Candle"),
    ("Soap", "Dish"),
    ("Milk", "Chocolate"),
    ("Leather", "Shoe"),
    ("Bike", "Light"),
    ("Tent", "Light"),
    ("Plant", "Pot"),
    ("Card", "Game"),
    ("Wine", "Table"),
    ("Window", "Glass"),
    ("Tool", "Steel"),
)
PARTS = (
    ("Case", "iPhone"),
    ("Lid", "Frying Pan"),
    ("Strap", "Watch"),
    ("Charger", "Laptop"),
    ("Cover", "Sofa"),
    ("Stand", "Monitor"),
    ("Keyboard", "Tablet"),
    ("Remote", "TV"),
    ("Basket", "Bicycle"),
    ("Cushion", "Rocking Chair"),
    ("Pump", "Air Bed"),
)
COLOURED = (
    (("Red", "Table"), ("White", "Legs")),
    (("Black", "Trainers"), ("White", "Soles")),
    (("Blue", "Shirt"), ("Grey", "Collar")),
    (("Green", "Mug"), ("Yellow", "Handle")),
    (("Black", "Handbag"), ("Brown", "Strap")),
    (("White", "Lampshade"), ("Gold", "Trim")),
    (("Grey", "Curtains"), ("Blue", "Stripes")),
    (("Pink", "Box"), ("Purple", "Lid")),
)


def word_order_cases() -> list[Case]:
    """Both orders of every pair."""
    names = [
        *((f"{first} {second}", f"{second} {first}") for first, second in COMPOUNDS),
        *((f"{part} for {whole}", f"{whole} with {part}") for part, whole in PARTS),
        *(
            (f"{one} {whole} with {other} {part}", f"{other} {whole} with {one} {part}")
            for (one, whole), (other, part) in COLOURED
        ),
    ]
    both = [pair for first, second in names for pair in ((first, second), (second, first))]
    return [_case(number, *pair) for number, pair in enumerate(both)]


def _case(number: int, wanted: str, other: str) -> Case:
    # Two in a row are one pair's orders: they take the same form.
    form = FORMS[number // 2 % len(FORMS)]
    return Case(wanted.lower(), form.format(wanted), tuple(form.format(other) for form in FORMS))
