from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from relevance.pair_encoding import EncodedPair
from service.backend import BatchRun
from service.batch_queue import BatchLimits
from service.entry import DropReason
from service.errors import DrainingError, EngineDeadError, InferenceError
from service.source import Source
from tests.service.batcher_bench import NAN, POISON, Bench, job, scenario


def test_every_pair_gets_its_own_logit() -> None:
    async def run(bench: Bench) -> None:
        jobs = [job(*range(10)), job(50, 51)]
        await bench.batcher.score(jobs)
        assert [j.logits.tolist() for j in jobs] == [list(range(10)), [50, 51]]
        assert [j.scored for j in jobs] == [10, 2]

    scenario(run)


def test_an_idle_server_starts_at_once_and_load_makes_batches() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        scoring = [asyncio.create_task(bench.batcher.score([job(1)]))]
        await bench.backend.called.wait()
        assert bench.backend.batches == [[1]]
        scoring += [asyncio.create_task(bench.batcher.score([job(value)])) for value in range(2, 10)]
        bench.backend.gate.set()
        await asyncio.gather(*scoring)
        # One batch waited ahead of the backend; the others were cut when it came free.
        assert [len(batch) for batch in bench.backend.batches] == [1, 4, 4]

    scenario(run)


def test_a_batch_is_alone_where_nothing_waits_behind_it() -> None:
    async def run(bench: Bench) -> None:
        await bench.batcher.score([job(1, 2)])
        await bench.batcher.score([job(*range(10, 16))])
        assert bench.backend.batches == [[1, 2], [10, 11, 12], [13, 14, 15]]
        assert bench.backend.alone == [True, False, True]

    scenario(run)


def test_a_job_that_finds_the_engine_idle_is_shared_by_its_sessions() -> None:
    async def run(bench: Bench) -> None:
        await bench.batcher.score([job(*range(24))])
        bench.backend.gate.clear()
        scoring = [asyncio.create_task(bench.batcher.score([job(*range(30, 54))]))]
        while len(bench.backend.batches) < 4:
            await asyncio.sleep(0)
        scoring.append(asyncio.create_task(bench.batcher.score([job(*range(60, 83))])))
        bench.backend.gate.set()
        await asyncio.gather(*scoring)
        bench.backend.stuck = 1
        await bench.batcher.score([job(*range(90, 114))])
        # The third found others at work, and the fourth a core that is taken by what was given up.
        assert [len(batch) for batch in bench.backend.batches] == [12, 12, 12, 12, 23, 24]

    scenario(run, limits=BatchLimits(tokens=256, sessions=2))


def test_times_ride_on_the_job() -> None:
    async def run(bench: Bench) -> None:
        bench.now = 0.5
        scored = job(1)
        await bench.batcher.score([scored])
        assert (scored.submitted, scored.started, scored.finished) == (0.5, 1.0, 2.0)

    scenario(run)


def test_an_urgent_request_goes_before_those_that_wait() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        jobs = [job(*range(10 * n, 10 * n + 4), priority=n) for n in (3, 2, 1, 0)]
        scoring = [asyncio.create_task(bench.batcher.score([j])) for j in jobs]
        while len(bench.backend.batches) < 2:
            await asyncio.sleep(0)
        bench.backend.gate.set()
        await asyncio.gather(*scoring)
        # All four were there when the first batch was cut.
        assert [batch[0] // 10 for batch in bench.backend.batches] == [0, 1, 2, 3]

    scenario(run)


def test_identical_pairs_in_flight_are_computed_once() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        first = job(1, 2, 2, 3)
        scoring = [asyncio.create_task(bench.batcher.score([first]))]
        await bench.backend.called.wait()
        running, waiting = job(1, 3), job(7, 2, 8)
        scoring += [asyncio.create_task(bench.batcher.score([j])) for j in (running, waiting)]
        while len(bench.backend.batches) < 2:
            await asyncio.sleep(0)
        bench.backend.gate.set()
        await asyncio.gather(*scoring)
        assert bench.backend.batches == [[1, 2, 3], [7, 8]]
        assert [j.logits.tolist() for j in (first, running, waiting)] == [[1, 2, 2, 3], [1, 3], [7, 2, 8]]
        assert first.reused == {2: Source.IDENTICAL_PAIR}
        assert waiting.reused == {1: Source.IDENTICAL_PAIR}
        assert sum(pairs for _, pairs in bench.observer.reused) == 4

    scenario(run)


def test_a_pair_left_to_a_failing_request_is_computed_after_all() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        bad, innocent = job(POISON, 2), job(2, 3, 4)
        scoring = [asyncio.create_task(bench.batcher.score([j])) for j in (bad, innocent)]
        await bench.backend.called.wait()
        bench.backend.gate.set()
        results = await asyncio.gather(*scoring, return_exceptions=True)
        assert [type(result) for result in results] == [InferenceError, type(None)]
        assert innocent.logits.tolist() == [2.0, 3.0, 4.0]
        # The shares of the failed batch ran alone; then what had been left to the failing one.
        assert bench.backend.batches == [[POISON, 2, 3, 4], [POISON, 2], [3, 4], [2]]

    scenario(run)


def test_a_pair_left_to_a_client_that_leaves_is_computed_after_all() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        blocker = asyncio.create_task(bench.batcher.score([job(*range(100, 108))]))
        while len(bench.backend.batches) < 2:
            await asyncio.sleep(0)
        gone = asyncio.create_task(bench.batcher.score([job(1, 2)]))
        stays = job(2, 3)
        scoring = asyncio.create_task(bench.batcher.score([stays]))
        await asyncio.sleep(0)
        gone.cancel()
        bench.backend.gate.set()
        await asyncio.gather(blocker, scoring)
        assert stays.logits.tolist() == [2.0, 3.0]
        assert bench.backend.batches[2:] == [[2, 3]]
        assert bench.observer.dropped == [(DropReason.DISCONNECTED, 2)]

    scenario(run)


def test_a_known_score_is_not_computed_again() -> None:
    async def run(bench: Bench) -> None:
        first, second, third = job(1, 2), job(2, 1), job(2, 5)
        for scored in (first, second, third):
            await bench.batcher.score([scored])
        assert bench.backend.batches == [[1, 2], [5]]
        assert (second.logits.tolist(), third.logits.tolist()) == ([2, 1], [2, 5])
        assert second.reused == {0: Source.SCORE_CACHE, 1: Source.SCORE_CACHE}
        assert bench.observer.reused == [(Source.SCORE_CACHE, 2), (Source.SCORE_CACHE, 1)]
        assert (bench.queue.pairs, second.started) == (0, None)
        bench.now = 60.0
        await bench.batcher.score([job(1)])
        assert bench.backend.batches[2:] == [[1]]

    scenario(run, cached=True)


def test_what_waits_and_runs_is_ahead_of_the_next() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        scoring = asyncio.create_task(bench.batcher.score([job(*range(20), priority=1)]))
        while len(bench.backend.batches) < 2:
            await asyncio.sleep(0)
        assert (bench.batcher.tokens_ahead(1), bench.batcher.tokens_ahead(0)) == (80, 32)
        bench.backend.gate.set()
        await scoring
        assert bench.batcher.tokens_ahead(1) == 0

    scenario(run)


@pytest.mark.parametrize("bad", [POISON, NAN])
def test_a_poisoned_pair_fails_its_own_request_only(bad: int) -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        blocker = asyncio.create_task(bench.batcher.score([job(0)]))
        await bench.backend.called.wait()
        jobs = [job(1), job(bad), job(3)]
        scoring = [asyncio.create_task(bench.batcher.score([j])) for j in jobs]
        bench.backend.gate.set()
        await blocker
        results = await asyncio.gather(*scoring, return_exceptions=True)
        assert [1, bad, 3] in bench.backend.batches
        assert [type(result) for result in results] == [type(None), InferenceError, type(None)]
        after = job(4)
        await bench.batcher.score([after])
        assert after.logits.tolist() == [4.0]

    scenario(run)


def test_the_rest_of_a_failed_request_is_dropped_and_counted() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        scoring = asyncio.create_task(bench.batcher.score([job(POISON, *range(19))]))
        await bench.backend.called.wait()
        bench.backend.gate.set()
        with pytest.raises(InferenceError):
            await scoring
        await bench.batcher.score([job(1)])
        assert bench.observer.dropped == [(DropReason.FAILED, 12)]

    scenario(run)


def test_a_wrong_number_of_logits_is_a_failure() -> None:
    async def run(bench: Bench) -> None:
        async def too_few(pairs: Sequence[EncodedPair], alone: bool) -> BatchRun:
            return BatchRun(np.zeros(1, dtype=np.float32), 0.0, 0.0, 1, 1)

        bench.backend.run = too_few  # type: ignore[method-assign]
        with pytest.raises(InferenceError):
            await bench.batcher.score([job(1, 2)])

    scenario(run)


def test_an_answer_that_is_out_is_not_added_to() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        late = job(1, 2, deadline=5.0)
        scoring = asyncio.create_task(bench.batcher.score([late]))
        await bench.backend.called.wait()
        # The micro-batch ends in the turn in which the deadline passes, before anybody has seen that.
        bench.backend.gate.set()
        bench.batcher._expire(late)
        await scoring
        assert late.scored == 0
        assert np.isnan(late.logits).all()

    scenario(run)


def test_a_client_that_leaves_takes_its_waiting_work_along() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        gone = asyncio.create_task(bench.batcher.score([job(*range(20))]))
        await bench.backend.called.wait()
        while len(bench.backend.batches) < 2:
            await asyncio.sleep(0)
        gone.cancel()
        bench.backend.gate.set()
        await bench.batcher.score([job(99)])
        assert gone.cancelled()
        assert bench.observer.dropped == [(DropReason.DISCONNECTED, 12)]
        assert [len(batch) for batch in bench.backend.batches] == [4, 4, 1]

    scenario(run)


def test_a_deadline_answers_with_what_is_scored() -> None:
    async def run(bench: Bench) -> None:
        late = job(*range(12), deadline=3.0)
        scoring = asyncio.create_task(bench.batcher.score([late]))
        await bench.backend.called.wait()
        bench.now = 3.0
        await scoring
        assert 0 < late.scored < 12
        assert late.dead is DropReason.DEADLINE
        assert np.isnan(late.logits[late.scored :]).all()
        assert not np.isnan(late.logits[: late.scored]).any()
        assert bench.observer.dropped == [(DropReason.DEADLINE, 12 - 8)]

    scenario(run)


def test_a_deadline_does_not_wait_for_the_running_batch() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        # The timer runs on the loop's clock: no time is left, so it fires at once.
        bench.now = 1.0
        late = job(1, 2, deadline=1.0 + 1e-9)
        await bench.batcher.score([late])
        assert late.scored == 0
        bench.backend.gate.set()

    scenario(run)


def test_the_end_of_the_loop_fails_all_waiters_and_refuses_new_ones() -> None:
    async def run(bench: Bench) -> None:
        def broken_next_batch(claim: object) -> None:
            raise ZeroDivisionError

        bench.queue.next_batch = broken_next_batch  # type: ignore[assignment, method-assign]
        before = bench.batcher.alive
        with pytest.raises(EngineDeadError):
            await bench.batcher.score([job(1)])
        assert (before, bench.batcher.alive) == (True, False)
        with pytest.raises(EngineDeadError):
            await bench.batcher.score([job(2)])

    scenario(run)


def test_stop_fails_waiters_and_refuses_new_ones() -> None:
    async def run(bench: Bench) -> None:
        bench.backend.gate.clear()
        waiting = asyncio.create_task(bench.batcher.score([job(*range(20))]))
        await bench.backend.called.wait()
        await bench.batcher.stop()
        with pytest.raises(DrainingError):
            await waiting
        with pytest.raises(DrainingError):
            await bench.batcher.score([job(1)])

    scenario(run)


def test_one_failure_among_several_requests_of_a_body_fails_the_body() -> None:
    async def run(bench: Bench) -> None:
        good, bad = job(*range(10)), job(POISON)
        with pytest.raises(InferenceError):
            await bench.batcher.score([good, bad])

    scenario(run)
