"""From logits to the reply: ranks, calibrated scores, labels, and the rule for what was not scored.

Rank goes by logit, ties by index, so a saturated probability never ties. Unscored pairs (a deadline
passed) follow in the order of `prior`; the j-th of m of them gets `lowest · (m − j) / (m + 1)`, where
`lowest` is the lowest score that the model gave: finite, at least 0, falling, and below every scored one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from relevance.bundle import Manifest
from relevance.calibration import Labels
from service.job import Job
from service.pair import MissingProduct, Pair
from service.request import Body, Candidate, Request
from service.served import Timings

LOWEST_SCORE = float(np.finfo(np.float32).tiny)
"""A scored pair has at least this much, so that there is always room below it."""

Json = dict[str, Any]


class ReplyMaker:
    """Makes replies for one bundle."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._model = {"name": manifest.name, "version": manifest.version}
        self._labels = Labels(manifest.labels)

    def reply(self, body: Body, jobs: Sequence[Job], timings: Timings) -> Json:
        """The reply to `body`, whose i-th request was scored as `jobs[i]`."""
        requests = body.requests
        parts = [self._scored(request, job) for request, job in zip(requests, jobs, strict=True)]
        reply: Json = {"model": self._model}
        reply.update({"responses": parts} if body.several else parts[0])
        reply["timing_ms"] = timings.milliseconds()
        if any(request.debug for request in requests):
            reply["debug"] = {
                "template": self._manifest.template.model_dump(),
                "calibration": self._manifest.calibration.model_dump(),
                "bundle_version": self._manifest.version,
            }
        return reply

    def _scored(self, request: Request, job: Job) -> Json:
        order = ranking(request, job)
        scores = self._scores(order, job)
        results: list[Json] = [{}] * len(job.pairs)
        for index in job.unknown:
            results[index] = _missing(index, request.candidates[index].id, job.pairs[index])
        for rank, index in enumerate(order, start=1):
            results[index] = self._result(request.candidates[index], index, scores[index], rank <= job.scored)
            results[index]["rank"] = rank
        if request.debug:
            for index in order:
                results[index]["debug"] = _debug(job, index)
        if request.top_k is not None:
            results = [results[index] for index in (*order[: request.top_k], *job.unknown)]
        return {
            "results": results,
            "scored": job.scored,
            "total": len(job.pairs),
            "degraded": job.scored < len(order),
            "truncated": job.truncated,
        }

    def _scores(self, order: Sequence[int], job: Job) -> list[float]:
        """Score of each pair by its index; `order` has the scored ones first."""
        probabilities = self._manifest.calibration.probability(job.logits)
        scores: list[float] = np.maximum(probabilities, LOWEST_SCORE).tolist()
        unscored = order[job.scored :]
        lowest = min((scores[index] for index in order[: job.scored]), default=LOWEST_SCORE)
        for position, index in enumerate(unscored, start=1):
            scores[index] = lowest * (len(unscored) + 1 - position) / (len(unscored) + 1)
        return scores

    def _result(self, candidate: Candidate, index: int, score: float, was_scored: bool) -> Json:
        result: Json = {"index": index, "score": score}
        if candidate.id is not None:
            result = {"index": index, "id": candidate.id, "score": score}
        if was_scored and (label := self._labels.of(score)) is not None:
            result["label"] = label
        return result


def ranking(request: Request, job: Job) -> list[int]:
    """Candidate indexes from best to worst: scored ones by logit, then unscored ones by prior; no unknown ones."""
    # NaN, which is what an unscored pair has, sorts last.
    by_logit: list[int] = np.argsort(-job.logits, kind="stable").tolist()
    if job.scored == job.wanted:
        return by_logit[: job.scored]
    unscored = np.isnan(job.logits)
    unknown = set(job.unknown)
    return by_logit[: job.scored] + [
        index for index in request.prior_order() if unscored[index] and index not in unknown
    ]


def _missing(index: int, product_id: str | None, pair: Pair) -> Json:
    assert isinstance(pair, MissingProduct)
    return {"index": index, "id": product_id, "error": {"code": pair.code, "detail": pair.detail}}


def _debug(job: Job, index: int) -> Json:
    pair, logit = job.pairs[index], float(job.logits[index])
    return {
        "logit": None if np.isnan(logit) else logit,
        "tokens": len(pair),
        "dropped": dict(pair.dropped),
        "source": job.source(index),
    }
