"""token_cache, candidate_cache, score_cache, caches: the same requests to two services that differ in those caches."""

from __future__ import annotations

import math
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from prometheus_client.parser import text_string_to_metric_families

from loadtest.bench.arena import NO_CACHES, Arena, Contestant, aisles
from loadtest.bench.result import LoadResult, Row
from loadtest.bench.rounds import interleaved
from loadtest.measured import median, median_ratio
from loadtest.systems import Call
from loadtest.workload import RepeatingShop

CACHE_MB = 64
REQUESTS_PER_SECOND = 20
"""About what two cores answer without a cache, at 50 candidates each; a round has so many times its seconds."""

TOKENIZE_MS, PAIRS_PER_S = "tokenize_ms", "pairs_per_s"
OFF, ON = "off", "on"


@dataclass(frozen=True, slots=True)
class CacheLoad:
    """`share` of each request's pairs were scored before; `settings` are the caches'. `headline` is what it is for."""

    name: str
    settings: tuple[str, ...]
    share: float
    clients: int
    headline: str

    def run(self, arena: Arena) -> LoadResult:
        """Every round's requests are new ones, and the same for both services."""
        pace, shop = arena.pace, RepeatingShop(arena.seed, self.share)
        each = math.ceil(pace.seconds * REQUESTS_PER_SECOND)
        bodies = shop.bodies(each * pace.rounds)
        settings = {OFF: NO_CACHES, ON: NO_CACHES | dict.fromkeys(self.settings, CACHE_MB)}
        with aisles(arena.bundle, settings) as services:
            ways = {}
            for name, service in services.items():
                service.drive(service.calls(shop.known()), self.clients, math.inf)
                rounds = _parts(service.calls(bodies), each)
                ways[name] = partial(lambda service, rounds: self._round(service, next(rounds)), service, iter(rounds))
            figures = interleaved(ways, pace.rounds)
        caches = ", ".join(self.settings)
        title = f"{self.share:.0%} of the pairs seen before, {self.clients} client(s), {caches} 0 or {CACHE_MB}"
        return LoadResult(self.name, title, self._rows(figures), self._facts(figures))

    def _round(self, service: Contestant, calls: Sequence[Call]) -> dict[str, float]:
        seconds, requests = tokenizing(service)
        measured = service.drive(calls, self.clients, math.inf)
        seconds_after, requests_after = tokenizing(service)
        per_request = (seconds_after - seconds) / (requests_after - requests)
        return {TOKENIZE_MS: 1000 * per_request, PAIRS_PER_S: measured.pairs_per_second}

    def _rows(self, figures: dict[str, list[dict[str, float]]]) -> dict[str, Row]:
        others = {TOKENIZE_MS, PAIRS_PER_S} - {self.headline}
        return {
            figure: {name: median([one[figure] for one in rounds]) for name, rounds in figures.items()}
            for figure in (self.headline, *others)
        }

    def _facts(self, figures: dict[str, list[dict[str, float]]]) -> dict[str, object]:
        on, off = ([one[self.headline] for one in figures[name]] for name in (ON, OFF))
        return {"on_to_off": median_ratio(on, off), "settings": self.settings, "share": self.share}


# One client: tokenising must not compete with another request's scoring for the cores.
TOKEN_CACHE = CacheLoad("token_cache", ("token_cache_mb",), share=0.8, clients=1, headline=TOKENIZE_MS)
CANDIDATE_CACHE = CacheLoad("candidate_cache", ("candidate_cache_mb",), share=0.8, clients=1, headline=TOKENIZE_MS)
SCORE_CACHE = CacheLoad("score_cache", ("score_cache_mb",), share=0.5, clients=8, headline=PAIRS_PER_S)
# What a service has that nobody configured.
ALL_CACHES = CacheLoad("caches", tuple(NO_CACHES), share=0.5, clients=8, headline=PAIRS_PER_S)


def tokenizing(service: Contestant) -> tuple[float, float]:
    """Seconds that the service has spent on tokenising since it started, and in how many requests."""
    target = service.target
    with urllib.request.urlopen(f"http://{target.host}:{target.port}/metrics", timeout=target.timeout) as reply:
        families = text_string_to_metric_families(reply.read().decode())
    stages = {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if sample.labels.get("stage") == "tokenize" and "le" not in sample.labels
    }
    return stages["aisle_stage_seconds_sum"], stages["aisle_stage_seconds_count"]


def _parts(calls: Sequence[Call], size: int) -> list[Sequence[Call]]:
    return [calls[start : start + size] for start in range(0, len(calls), size)]
