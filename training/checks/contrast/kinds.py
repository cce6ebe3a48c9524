"""The control: plain names of products, whose titles differ in the kind alone."""

from __future__ import annotations

from training.checks.contrast.case import Case, ask_for_each

KINDS = {
    "Office": ("Chair", "Desk", "Lamp", "Shelf", "Carpet"),
    "Garden": ("Hose", "Bench", "Fork", "Gnome", "Gate"),
    "Kitchen": ("Knife", "Scale", "Towel", "Tap", "Timer"),
    "Bathroom": ("Mirror", "Cabinet", "Rug", "Bin", "Scale"),
    "Baby": ("Blanket", "Bottle", "Monitor", "Carrier", "Bib"),
    "Car": ("Battery", "Mat", "Vacuum", "Wax", "Jack"),
    "Dog": ("Bed", "Collar", "Bowl", "Crate", "Coat"),
    "Bike": ("Lock", "Pump", "Helmet", "Rack", "Bell"),
    "Camping": ("Stove", "Tent", "Lantern", "Chair", "Cutlery"),
    "Travel": ("Pillow", "Adapter", "Mug", "Wallet", "Iron"),
    "Christmas": ("Tree", "Stocking", "Wreath", "Cards", "Jumper"),
    "Yoga": ("Mat", "Block", "Strap", "Ball", "Leggings"),
    "Guitar": ("Strings", "Tuner", "Stand", "Amplifier", "Capo"),
}


def kind_cases() -> list[Case]:
    """Every kind of every place or use."""
    return [
        case
        for use, kinds in KINDS.items()
        for case in ask_for_each((f"{use} {kind}".lower(), f"{use} {kind}, Classic, 2 Pack") for kind in kinds)
    ]
