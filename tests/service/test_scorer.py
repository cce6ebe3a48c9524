from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from relevance.bundle import Bundle
from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from service.admission import Admission
from service.backend import BatchRun
from service.batch_queue import BatchLimits, BatchQueue
from service.batcher import Batcher
from service.engine_speed import EngineSpeed
from service.errors import DeadlineExceededError, InferenceError, OverloadedError
from service.job import Job
from service.metrics import Metrics
from service.pair import CrossPairing
from service.pair_reuse import CrossPairKeys, PairReuse
from service.reply import ReplyMaker
from service.request import Body
from service.schemas import ScoreRequest, ScoreRequests
from service.scorer import Scorer, Stages
from service.tokenization import Tokenization


class SlowBackend:
    """The logit of a pair is its length. Runs `steps` batches, then waits for the gate."""

    concurrency = 1
    stuck = 0

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.steps = 10**9
        self.order: list[int] = []

    async def run(self, pairs: Sequence[EncodedPair], alone: bool = False) -> BatchRun:
        self.order += [len(pair) for pair in pairs]
        self.steps -= 1
        if self.steps < 0:
            await self.gate.wait()
        now = time.monotonic()
        lengths = [len(pair) for pair in pairs]
        return BatchRun(np.array(lengths, dtype=np.float32), now, now, sum(lengths), sum(lengths))

    def close(self) -> None: ...


class Bench:
    def __init__(self, bundle: Bundle, capacity: int = 10_000) -> None:
        self.template = template = bundle.manifest.template
        self.backend = SlowBackend()
        self.metrics = Metrics()
        queue: BatchQueue[Job] = BatchQueue(BatchLimits(tokens=8))
        batcher = Batcher(self.backend, queue, PairReuse(CrossPairKeys("1")), [self.metrics])
        self.admission = Admission(template, capacity, EngineSpeed(1, 1e6), batcher.tokens_ahead)
        self.stages = Stages(
            self.admission,
            Tokenization(CrossPairing(bundle.pair_encoder()), 1),
            batcher,
            ReplyMaker(bundle.manifest),
            self.metrics,
        )
        self.scorer = Scorer(self.stages)

    async def score(
        self, body: ScoreRequest | ScoreRequests, default_deadline_ms: float | None = None
    ) -> dict[str, Any]:
        arrived = time.monotonic()
        reply, scored = await self.scorer.score(Body.of(body, self.template), arrived, default_deadline_ms)
        timings = scored.timings
        assert reply["timing_ms"] == timings.milliseconds()
        assert 0 < timings.total <= time.monotonic() - arrived + 1e-6
        return reply


def request(*titles: str, **fields: Any) -> ScoreRequest:
    return ScoreRequest(query="red", candidates=[Product(title=title) for title in titles], **fields)


def scenario(bench: Bench, run: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        bench.stages.batcher.start()
        try:
            async with asyncio.timeout(10):
                await run()
        finally:
            await bench.stages.batcher.stop()
            bench.stages.tokenization.close()

    asyncio.run(main())


def test_a_request_passes_all_stages_and_is_recorded_once(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        reply = await bench.score(request("good", "good good", "good " * 20))
        assert [result["rank"] for result in reply["results"]] == [3, 2, 1]
        assert (reply["scored"], reply["total"], reply["truncated"]) == (3, 3, 1)
        read = bench.metrics.registry.get_sample_value
        for stage, milliseconds in reply["timing_ms"].items():
            assert read("aisle_stage_seconds_sum", {"stage": stage}) == pytest.approx(milliseconds / 1000, abs=1e-9)
            assert read("aisle_stage_seconds_count", {"stage": stage}) == 1
        assert read("aisle_scored_pairs_total") == 3
        assert read("aisle_truncated_pairs_total") == 1

    scenario(bench, run)


def test_the_stages_add_up_to_no_more_than_the_total(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        timing = (await bench.score(request(*["good"] * 20)))["timing_ms"]
        assert all(value >= 0 for value in timing.values())
        assert timing["tokenize"] + timing["queue"] + timing["inference"] <= timing["total"] + 0.01

    scenario(bench, run)


def test_several_requests_are_scored_in_one_go(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        reply = await bench.score(ScoreRequests(requests=[request("good", "good good"), request("bad")]))
        assert [[result["rank"] for result in part["results"]] for part in reply["responses"]] == [[2, 1], [1]]

    scenario(bench, run)


def test_admitted_tokens_are_given_back(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        await bench.score(request("good"))
        assert bench.admission.outstanding == 0

    scenario(bench, run)


def test_overload_is_refused_before_tokenising(bundle: Bundle) -> None:
    bench = Bench(bundle, capacity=3)

    async def run() -> None:
        with pytest.raises(OverloadedError):
            await bench.score(request("good"))
        assert bench.backend.order == []

    scenario(bench, run)


@pytest.mark.parametrize("own_deadline", [True, False])
def test_a_deadline_gives_what_is_scored_highest_prior_first(bundle: Bundle, own_deadline: bool) -> None:
    bench = Bench(bundle)
    # The request's own goes before the default, which would leave nothing scored.
    fields, default = ({"deadline_ms": 50.0}, 1e-6) if own_deadline else ({}, 50.0)
    candidates = [Product(title="good " * count, prior=prior) for count, prior in ((1, 1.0), (2, 9.0), (3, 5.0))]
    body = ScoreRequest(query="red", candidates=candidates, **fields)  # type: ignore[arg-type]

    async def run() -> None:
        bench.backend.steps = 1
        reply = await bench.score(body, default)
        assert bench.backend.order[0] == 4 + 2
        assert (reply["scored"], reply["degraded"]) == (1, True)
        assert [result["rank"] for result in reply["results"]] == [3, 1, 2]
        assert "label" not in reply["results"][0]
        assert reply["timing_ms"]["total"] >= 50
        read = bench.metrics.registry.get_sample_value
        assert read("aisle_degraded_requests_total") == 1

    scenario(bench, run)


def test_a_deadline_with_nothing_scored_is_an_error(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        bench.backend.steps = 0
        with pytest.raises(DeadlineExceededError):
            await bench.score(request("good", deadline_ms=5.0))
        assert bench.admission.outstanding == 0

    scenario(bench, run)


def test_whether_deadlines_are_kept_is_learnt_from(bundle: Bundle) -> None:
    bench = Bench(bundle)
    margin = bench.admission.margin

    async def run() -> None:
        bench.backend.steps = 1
        # In parts, not at all, and whole: the first two missed it.
        assert (await bench.score(request("good", "good good", deadline_ms=50.0)))["degraded"]
        once = margin.seconds
        assert once > 0
        with pytest.raises(DeadlineExceededError):
            await bench.score(request("bad", deadline_ms=50.0))
        twice = margin.seconds
        assert twice == pytest.approx(2 * once)
        bench.backend.steps = 10**9
        bench.backend.gate.set()
        await bench.score(request("lamp"))
        assert margin.seconds == twice
        await bench.score(request("shoe", deadline_ms=5000.0))
        assert margin.seconds < twice

    scenario(bench, run)


@pytest.mark.parametrize(("steps", "late_by"), [(1, -1.0), (10**9, 1.0)])
def test_an_answer_in_parts_or_after_its_deadline_missed_it(bundle: Bundle, steps: int, late_by: float) -> None:
    bench = Bench(bundle)
    bench.backend.steps = steps
    arrived = time.monotonic()
    now = [arrived]
    bench.scorer = Scorer(bench.stages, lambda: now[0])
    run_pairs = bench.backend.run

    async def timed(pairs: Sequence[EncodedPair], alone: bool = False) -> BatchRun:
        now[0] = arrived + 0.2 + late_by
        return await run_pairs(pairs, alone)

    async def run() -> None:
        bench.backend.run = timed  # type: ignore[method-assign]
        body = Body.of(request("good", "good good", deadline_ms=200.0), bench.template)
        await bench.scorer.score(body, arrived)
        assert bench.admission.margin.seconds > 0

    scenario(bench, run)


def test_a_request_is_hurried_where_its_deadline_leaves_too_little_time(bundle: Bundle) -> None:
    bench = Bench(bundle)
    # 100 tokens a second: each pair takes 50 ms and more.
    bench.stages = replace(
        bench.stages,
        admission=Admission(bench.template, 10_000, EngineSpeed(1, 100.0), bench.stages.batcher.tokens_ahead),
    )
    bench.scorer = Scorer(bench.stages)
    jobs: list[Job] = []
    score = bench.stages.batcher.score

    async def noted(given: Sequence[Job]) -> None:
        jobs.extend(given)
        await score(given)

    async def run() -> None:
        bench.stages.batcher.score = noted  # type: ignore[method-assign]
        for deadline_ms in (None, 5000.0, 45.0):
            await bench.score(request("good", deadline_ms=deadline_ms))

    scenario(bench, run)
    assert [job.hurried for job in jobs] == [False, False, True]


def test_of_several_requests_one_scored_is_enough_to_answer(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        bench.backend.steps = 1
        body = ScoreRequests(requests=[request("good", deadline_ms=50.0), request("bad lamp shoe", deadline_ms=50.0)])
        reply = await bench.score(body)
        assert sorted(part["scored"] for part in reply["responses"]) == [0, 1]

    scenario(bench, run)


def test_cancelling_gives_everything_back(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def run() -> None:
        bench.backend.steps = 0
        scoring = asyncio.create_task(bench.score(request(*["good"] * 4)))
        while not bench.backend.order:
            await asyncio.sleep(0)
        assert bench.admission.outstanding > 0
        scoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scoring
        assert bench.admission.outstanding == 0

    scenario(bench, run)


def test_a_failing_model_is_an_error_of_that_request(bundle: Bundle) -> None:
    bench = Bench(bundle)

    async def fails(pairs: Sequence[EncodedPair]) -> BatchRun:
        raise RuntimeError("broken")

    async def run() -> None:
        bench.backend.run = fails  # type: ignore[method-assign]
        with pytest.raises(InferenceError):
            await bench.score(request("good"))
        assert bench.admission.outstanding == 0

    scenario(bench, run)
