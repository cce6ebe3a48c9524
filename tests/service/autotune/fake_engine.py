"""An engine whose every run takes a known time on a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.autotune.tuning import Layout
from service.errors import BackendError


@dataclass
class FakeEngine:
    """A run takes `overhead` seconds and `per_token[layout]` for each of its tokens; opening takes `opening`.

    Every busy sample is slower than the one before by the part `slower_later`.
    """

    per_token: Mapping[Layout, float]
    overhead: float = 0.0
    opening: float = 0.0
    too_many_tokens: float = float("inf")
    slower_later: float = 0.0
    now: float = 0.0
    open_layouts: set[Layout] = field(default_factory=set)
    opened: list[Layout] = field(default_factory=list)
    runs: list[tuple[Layout, int, int]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def open(self, layout: Layout) -> FakeRig:
        self.now += self.opening
        self.opened.append(layout)
        self.open_layouts.add(layout)
        return FakeRig(self, layout)

    def run(self, layout: Layout, tokens: int) -> float:
        seconds = self.overhead + tokens * self.per_token[layout]
        self.now += seconds
        return seconds


@dataclass
class FakeRig:
    """One layout of it."""

    engine: FakeEngine
    layout: Layout

    def busy(self, pairs: int, length: int, times: int) -> float:
        self.engine.runs.append((self.layout, pairs, length))
        if pairs * length > self.engine.too_many_tokens:
            raise BackendError("no memory")
        seconds = [self.engine.run(self.layout, pairs * length) for _ in range(times)][-1]
        return seconds * (1 + self.engine.slower_later * len(self.engine.runs))

    def alone(self, length: int) -> float:
        return self.engine.run(self.layout, length)

    def close(self) -> None:
        self.engine.open_layouts.remove(self.layout)
