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


SMALL, LARGE = 10, 500
"""Candidates of the two kinds of requests in a mix."""

KNOWN_QUERIES = 64

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """Draws request bodies of `POST /score`; two workloads of one seed draw the same ones."""

    seed: int
    candidates: int

    def bodies(self, count: int) -> list[Body]:
        """`count` request bodies."""
        rng = random.Random(self.seed)
        return [_body(rng, self.candidates) for _ in range(count)]


def mixed_bodies(seed: int, count: int) -> list[Body]:
    """`count` bodies: in each ten, one of 500 candidates at a random place, the others of 10."""
    rng = random.Random(seed)
    large = {ten + rng.randrange(10) for ten in range(0, count, 10)}
    return [_body(rng, LARGE if index in large else SMALL) for index in range(count)]


def random_sizes(seed: int, count: int) -> list[Body]:
    """`count` bodies of 1 to 100 candidates."""
    rng = random.Random(seed)
    return [_body(rng, rng.randint(1, 100)) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class RepeatingShop:
    """Shoppers whose requests hold `share` candidates that were scored for the same query before."""

    seed: int
    share: float
    candidates: int = 50

    def known(self) -> list[Body]:
        """What has to be scored first: one body a query, all of its known candidates."""
        return Workload(self.seed, self.candidates).bodies(KNOWN_QUERIES)

    def bodies(self, count: int) -> list[Body]:
        """`count` bodies; the candidates that are not known are of this one body only."""
        rng, known = random.Random(self.seed + 1), self.known()
        return [self._body(rng, known[number % len(known)], number) for number in range(count)]

    def _body(self, rng: random.Random, known: Body, number: int) -> Body:
        repeated = rng.sample(known["candidates"], round(self.share * self.candidates))
        fresh = range(self.candidates - len(repeated))
        new = [{"id": f"{number}-{one}", "title": f"{_title(rng)}, no {number}-{one}"} for one in fresh]
        return {"query": known["query"], "candidates": rng.sample(repeated + new, self.candidates)}


def _body(rng: random.Random, candidates: int) -> Body:
    query = _query(rng)
    return {"query": query, "candidates": [{"id": str(number), "title": _title(rng)} for number in range(candidates)]}


def _query(rng: random.Random) -> str:
    words = rng.choice(KINDS).split()
    return " ".join(words[-rng.randint(1, 4) :])


def _title(rng: random.Random) -> str:
    details = rng.sample(DETAILS, 2)
    return f"{rng.choice(BRANDS)} {rng.choice(KINDS).title()}, {details[0]}, {rng.choice(COLOURS)}, {details[1]}"
