"""What the figures should reach on one H200, and whether they do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a figure, by its name among those of `judge`; the figure may be at most or at least that."""

    figure: str
    what: str
    bound: float
    kind: Literal["at least", "at most"]

    def holds(self, value: float) -> bool:
        """Whether the value keeps it."""
        return value >= self.bound if self.kind == "at least" else value <= self.bound


TARGETS = (
    Target("http_p99_ms", "MiniLM-L6, 100 candidates of 32 tokens, one client, p99 in ms", 8, "at most"),
    Target("http_pairs_per_s", "… at saturation, pairs/s through HTTP", 60_000, "at least"),
    Target("raw_pairs_per_s", "… pairs/s in the raw session", 150_000, "at least"),
    Target("bert_base_utilisation", "BERT-base, 64 tokens, share of the fp16 matmul ceiling", 0.45, "at least"),
    Target("times_torch", "MiniLM-L6 through HTTP, times torch from texts", 1.5, "at least"),
    Target("ndcg_lost", "nDCG@10 that fp16 loses to fp32", 0.002, "at most"),
)
NOT_MEASURED = "not yet measured"


def judge(figures: Mapping[str, float | None], comparable: bool) -> list[tuple[Target, float | None, str]]:
    """Each target with its figure and the verdict; `comparable`: measured on the device that they are set for."""
    verdicts = []
    for target in TARGETS:
        value = figures.get(target.figure)
        known = value is not None and comparable
        verdicts.append((target, value, _verdict(target, value) if known and value is not None else NOT_MEASURED))
    return verdicts


def _verdict(target: Target, value: float) -> str:
    return "reached" if target.holds(value) else "missed"
