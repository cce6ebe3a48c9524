"""What the door lets in, in virtual time: the service's own scorer, door, queue and batcher on an engine made up.

`python -m docs.scripts.door_simulation`: the engine's speed changes three times a second, by factors whose logarithms
have a standard deviation of `noise`. Requests come at random, at a multiple of the capacity. Two tables, each of all
seeds: 50 candidates within 200 ms; and 5 candidates within 100 ms beside clients that send 200 without a deadline, one
after the other. Nothing depends on the machine, and a minute takes two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import mean
from typing import Any

import numpy as np

from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from relevance.template import FieldBudget, Template
from service.admission import Admission
from service.backend import BatchRun
from service.batch_queue import BatchLimits, BatchQueue
from service.batcher import Batcher
from service.engine_speed import EngineSpeed
from service.errors import DeadlineExceededError, DrainingError, OverloadedError
from service.job import Job
from service.pair import Pair
from service.pair_reuse import CrossPairKeys, PairReuse
from service.request import Body, Candidate, Request
from service.scorer import Scorer, Stages
from service.tokenization import EncodedRequests

SESSIONS, TOKENS_PER_SECOND, RUN_SECONDS, TOKENIZE_SECONDS = 2, 9_000.0, 0.0005, 0.002
"""Of one session; what a micro-batch and what a request cost beside their tokens."""
GUESSES = (15, 35)
"""Least and most tokens of a product."""
PAIRS_PER_SECOND = 0.9 * SESSIONS * TOKENS_PER_SECOND / 29
"""The capacity: a pair has 29 tokens in the mean, and padding and small micro-batches take a tenth."""
TEMPLATE = Template(query_max_tokens=8, fields=(FieldBudget(field="title", max_tokens=120),))
WEATHER_SECONDS = 0.3
PRODUCT = Product(title="of as many tokens as its guess says")
LARGE = 200
"""Candidates of a request without a deadline."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only when it has nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        selector: Any = vars(self)["_selector"]
        wait = selector.select

        def select(timeout: float | None = None) -> object:
            events = wait(0)
            if not events and timeout:
                self._virtual += timeout
            return events

        selector.select = select

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual


class Engine:
    """Sessions that take as long as a micro-batch's padded tokens say, times `slow`."""

    concurrency, stuck = SESSIONS, 0

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop, self._free, self.slow = loop, asyncio.Semaphore(SESSIONS), 1.0

    async def run(self, pairs: Sequence[Pair], alone: bool = False) -> BatchRun:
        """Wait for a session, and then for it."""
        lengths = [len(pair) for pair in pairs]
        padded = max(lengths) * len(lengths)
        async with self._free:
            started = self._loop.time()
            await asyncio.sleep((RUN_SECONDS + padded / TOKENS_PER_SECOND) * self.slow)
        return BatchRun(np.zeros(len(pairs), np.float32), started, self._loop.time(), sum(lengths), padded)

    def close(self) -> None:
        """It holds nothing."""


class World:
    """The service's stages around an engine; tokenising takes its time, replies and metrics are left out."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop, self.random, self.outcomes = loop, random.Random(seed), Counter[str]()
        self.engine = Engine(loop)
        speed = EngineSpeed(SESSIONS, TOKENS_PER_SECOND)
        queue: BatchQueue[Job] = BatchQueue(BatchLimits(tokens=256, sessions=SESSIONS))
        self.batcher = Batcher(self.engine, queue, PairReuse(CrossPairKeys("1")), [speed], loop.time)
        admission = Admission(TEMPLATE, 200_000, speed, self.batcher.tokens_ahead)
        left_out: Any = self
        self.scorer = Scorer(Stages(admission, left_out, self.batcher, left_out, left_out), loop.time)
        self._pairs = 0

    async def encode(self, requests: Sequence[Request], seconds_left: float) -> EncodedRequests:
        """As of `service.tokenization`: no two pairs are alike."""
        started = self.loop.time()
        await asyncio.sleep(TOKENIZE_SECONDS)
        pairs: list[list[Pair]] = [
            [self._pair(candidate.guess + 4) for candidate in request.candidates] for request in requests
        ]
        return EncodedRequests(pairs, started, self.loop.time())

    def request_scored(self, scored: object) -> None:
        """As of `service.metrics`."""

    def reply(self, body: Body, jobs: Sequence[Job], timings: object) -> Any:
        """As of `service.reply`: whether all is scored."""
        return all(job.scored == job.wanted for job in jobs)

    async def send(self, candidates: int, deadline_ms: float | None = None) -> None:
        """One request; what becomes of it is counted if it has a deadline."""
        guesses = [self.random.randint(*GUESSES) for _ in range(candidates)]
        request = Request("abcd", [Candidate(None, None, guess, PRODUCT) for guess in guesses], deadline_ms=deadline_ms)
        arrived = self.loop.time()
        try:
            whole, _ = await self.scorer.score(Body([request]), arrived)
        except (OverloadedError, DeadlineExceededError) as error:
            outcome = error.code
        except DrainingError:
            return
        else:
            outcome = "whole" if whole else "in parts"
        if deadline_ms is not None:
            self.outcomes[outcome] += 1

    async def weather(self, noise: float) -> None:
        """Change the engine's speed for ever."""
        while True:
            self.engine.slow = self.random.lognormvariate(0, noise)
            await asyncio.sleep(WEATHER_SECONDS)

    async def in_turn(self, candidates: int) -> None:
        """A client that sends one request after the other, without a deadline."""
        while True:
            await self.send(candidates)

    def _pair(self, length: int) -> EncodedPair:
        self._pairs += 1
        return EncodedPair((self._pairs,) * length, (0,) * length)


@dataclass(frozen=True, slots=True)
class Play:
    """Requests at random, at `times` the capacity, beside `bulk` clients without a deadline."""

    candidates: int
    deadline_ms: float
    times: float
    noise: float
    bulk: int = 0
    seconds: float = 60.0

    def outcomes(self, seed: int) -> Counter[str]:
        """What becomes of the requests."""
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop: Any = runner.get_loop()
            return runner.run(self._run(World(loop, seed)))

    async def _run(self, world: World) -> Counter[str]:
        world.batcher.start()
        beside = [asyncio.create_task(world.weather(self.noise))]
        beside += [asyncio.create_task(world.in_turn(LARGE)) for _ in range(self.bulk)]
        sent = []
        while world.loop.time() < self.seconds:
            await asyncio.sleep(world.random.expovariate(self.times * PAIRS_PER_SECOND / self.candidates))
            sent.append(asyncio.create_task(world.send(self.candidates, self.deadline_ms)))
        await asyncio.gather(*sent)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await world.batcher.stop()
        return world.outcomes


def goodput(play: Play, outcomes: Counter[str]) -> float:
    """Pairs of whole answers a second, of the capacity."""
    return outcomes["whole"] * play.candidates / play.seconds / PAIRS_PER_SECOND


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print("| noise | offered | goodput | of the answers in parts |\n| --- | --- | --: | --: |")
    for noise, times in product((0.1, 0.3, 0.6), (1.0, 2.0, 4.0)):
        play = Play(50, 200.0, times, noise, seconds=options.seconds)
        runs = [play.outcomes(seed) for seed in range(options.seeds)]
        good = mean(goodput(play, run) for run in runs)
        partly = mean(run["in parts"] / max(1, run["in parts"] + run["whole"]) for run in runs)
        print(f"| {noise} | {times:g} | {good:.2f} | {partly:.3f} |", flush=True)
    print("\n| clients beside | whole | in parts | refused | nothing scored |\n| --: | --: | --: | --: | --: |")
    for bulk in (3, 6):
        total = sum(
            (Play(5, 100.0, 0.28, 0.3, bulk, options.seconds).outcomes(seed) for seed in range(options.seeds)),
            Counter(),
        )
        cells = (
            total[name] / total.total()
            for name in ("whole", "in parts", OverloadedError.code, DeadlineExceededError.code)
        )
        print(f"| {bulk} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
