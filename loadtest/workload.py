"""Seeded requests that look like a shop's: queries of one to four words, titles of about 25 word pieces."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

BRANDS = ("Norvane", "Kestrel & Co", "Brightforge", "Oakmere", "Lumora", "Tidewell", "Ferrano", "Quillby", "Astrant")
COLOURS = ("Black", "Matte White", "Navy Blue", "Silver", "Forest Green", "Rose Gold", "Charcoal Grey", "Natural Oak")
KINDS = (
    "wireless noise cancelling headphones", "usb c docking station", "27 inch gaming monitor", "mechanical keyboard",
    "stainless steel water bottle", "memory foam mattress topper", "waterproof hiking boots", "cast iron skillet",
    "led desk lamp", "robot vacuum cleaner", "espresso machine", "adjustable standing desk", "yoga mat",
    "portable bluetooth speaker", "laser printer toner cartridge", "electric toothbrush", "camping tent",
    "cordless drill", "dog harness", "baby stroller", "running shoes", "ceramic plant pot", "board game",
)  # fmt: skip
DETAILS = (
    "rechargeable battery with 30 hour life", "for home and office", "with carrying case and 2 m cable",
    "dishwasher safe", "adjustable height 71-120 cm", "pack of 2", "water resistant IPX7", "model XR-240",
    "compatible with most laptops", "extra large 180 x 200 cm", "1080p full HD", "for small spaces", "500 ml",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workload:
    """Draws request bodies of `POST /score`; two workloads of one seed draw the same ones."""

    seed: int
    candidates: int

    def bodies(self, count: int) -> list[dict[str, Any]]:
        """`count` request bodies."""
        rng = random.Random(self.seed)
        return [{"query": _query(rng), "candidates": self._candidates(rng)} for _ in range(count)]

    def _candidates(self, rng: random.Random) -> list[dict[str, Any]]:
        return [{"id": str(number), "title": _title(rng)} for number in range(self.candidates)]


def _query(rng: random.Random) -> str:
    words = rng.choice(KINDS).split()
    return " ".join(words[-rng.randint(1, 4) :])


def _title(rng: random.Random) -> str:
    details = rng.sample(DETAILS, 2)
    return f"{rng.choice(BRANDS)} {rng.choice(KINDS).title()}, {details[0]}, {rng.choice(COLOURS)}, {details[1]}"
