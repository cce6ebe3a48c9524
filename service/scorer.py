"""The request, whole: the only file that knows every stage between the parsed body and the reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isinf

from service.admission import Admission
from service.batcher import Batcher
from service.errors import DeadlineExceededError
from service.job import Job
from service.metrics import Metrics
from service.pair import MissingProduct, Pair
from service.reply import Json, ReplyMaker
from service.request import Body, Request
from service.served import Scored, Stage, Timings
from service.tokenization import EncodedRequests, Tokenization


@dataclass(frozen=True, slots=True)
class Stages:
    """What a request passes, in this order."""

    admission: Admission
    tokenization: Tokenization
    batcher: Batcher
    replies: ReplyMaker
    metrics: Metrics


class Scorer:
    """Answers bodies."""

    def __init__(self, stages: Stages, clock: Callable[[], float] = time.monotonic) -> None:
        self._stages = stages
        self._clock = clock

    async def score(self, body: Body, arrived: float, default_deadline_ms: float | None = None) -> tuple[Json, Scored]:
        """Score `body`, which arrived at that time of the clock; raises a ServiceError where that fails.

        `default_deadline_ms` is for its requests that name none; None: no deadline. Cancel it when the client has gone.
        """
        stages, requests = self._stages, body.requests
        deadlines = [_deadline(request, arrived, default_deadline_ms) for request in requests]
        seconds_left = min(deadlines) - self._clock()
        with stages.admission.admit(requests, seconds_left) as ticket:
            encoded = await stages.tokenization.encode(requests, seconds_left)
            stages.admission.settle(ticket, encoded.tokens)
            jobs = [self._job(*parts) for parts in zip(requests, encoded.pairs, deadlines, strict=True)]
            await stages.batcher.score(jobs)
            if any(job.wanted for job in jobs) and not any(job.scored for job in jobs):
                raise DeadlineExceededError("The deadline passed before anything was scored.")
            whole = all(job.scored == job.wanted for job in jobs)
            stages.admission.answered(ticket, in_time=whole and self._clock() <= min(deadlines))
            scored = _scored(jobs, _timings(encoded, jobs, arrived, self._clock()))
            stages.metrics.request_scored(scored)
            return stages.replies.reply(body, jobs, scored.timings), scored

    def _job(self, request: Request, pairs: Sequence[Pair], deadline: float) -> Job:
        lengths = [pair.cost for pair in pairs]
        return Job(
            pairs=pairs,
            unknown=[row for row, pair in enumerate(pairs) if isinstance(pair, MissingProduct)],
            lengths=lengths,
            order=None if isinf(deadline) else request.prior_order(),
            deadline=deadline,
            hurried=self._stages.admission.is_hurried(sum(lengths), deadline - self._clock()),
            priority=request.priority,
        )


def _deadline(request: Request, arrived: float, default_ms: float | None) -> float:
    deadline_ms = request.deadline_ms or default_ms
    return inf if deadline_ms is None else arrived + deadline_ms / 1000


def _timings(encoded: EncodedRequests, jobs: Sequence[Job], arrived: float, now: float) -> Timings:
    submitted = min(job.submitted for job in jobs)
    finished = max(job.finished for job in jobs)
    started = min((job.started for job in jobs if job.started is not None), default=finished)
    return Timings(
        tokenize=_stage(encoded.started, encoded.finished, arrived),
        queue=_stage(submitted, started, arrived),
        inference=_stage(started, finished, arrived),
        total=round(now - arrived, 6),
    )


def _stage(started: float, finished: float, arrived: float) -> Stage:
    return Stage(round(started - arrived, 6), round(finished - started, 6))


def _scored(jobs: Sequence[Job], timings: Timings) -> Scored:
    return Scored(
        timings,
        candidates=sum(job.wanted for job in jobs),
        scored=sum(job.scored for job in jobs),
        truncated=sum(job.truncated for job in jobs),
    )
