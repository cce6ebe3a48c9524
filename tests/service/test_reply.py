from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.bundle import Manifest
from relevance.calibration import Calibration, LabelBand
from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from relevance.template import FieldBudget, Template
from service.job import Job
from service.reply import ReplyMaker
from service.request import Body
from service.schemas import ScoreReplies, ScoreReply, ScoreRequest, ScoreRequests
from service.served import Stage, Timings

MANIFEST = Manifest(
    name="tiny",
    version="7",
    template=Template(query_max_tokens=4, fields=(FieldBudget(field="title", max_tokens=8),)),
    calibration=Calibration(scale=2.0, bias=0.5),
    labels=(LabelBand(name="no", min_score=0.0), LabelBand(name="yes", min_score=0.5)),
    graphs={"int8": "model.int8.onnx"},
    files={},
)
TIMINGS = Timings(Stage(0.0, 0.001), Stage(0.001, 0.002), Stage(0.003, 0.003), 0.006)
UNSCORED = math.nan


def make_job(*logits: float) -> Job:
    pairs = [EncodedPair((1, 2, 3), (0, 0, 1), (("title", 4),) if index == 1 else ()) for index in range(len(logits))]
    job = Job(pairs=pairs, lengths=[3] * len(pairs))
    job.logits = np.array(logits, dtype=np.float32)
    job.scored = int(np.sum(~np.isnan(job.logits)))
    return job


def make_request(count: int, priors: list[float | None] | None = None, **fields: Any) -> ScoreRequest:
    products = [Product(title="t", prior=prior) for prior in priors or [None] * count]
    return ScoreRequest(query="q", candidates=products, **fields)


def reply_to(*logits: float, **fields: Any) -> dict[str, Any]:
    request = make_request(len(logits), **fields)
    reply = ReplyMaker(MANIFEST).reply(Body.of(request, MANIFEST.template), [make_job(*logits)], TIMINGS)
    ScoreReply.model_validate(reply)
    return reply


def column(reply: dict[str, Any], key: str) -> list[Any]:
    return [result.get(key) for result in reply["results"]]


def test_the_reply_is_the_contract() -> None:
    reply = reply_to(0.0, 1.0)
    probability = [1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(-2.5))]
    assert reply == {
        "model": {"name": "tiny", "version": "7"},
        "results": [
            {"index": 0, "score": pytest.approx(probability[0], rel=1e-6), "label": "yes", "rank": 2},
            {"index": 1, "score": pytest.approx(probability[1], rel=1e-6), "label": "yes", "rank": 1},
        ],
        "scored": 2,
        "total": 2,
        "degraded": False,
        "truncated": 1,
        "timing_ms": {"tokenize": 1.0, "queue": 2.0, "inference": 3.0, "total": 6.0},
    }


def test_results_come_in_request_order_with_ranks() -> None:
    reply = reply_to(0.1, 0.3, 0.2)
    assert column(reply, "index") == [0, 1, 2]
    assert column(reply, "rank") == [3, 1, 2]


@pytest.mark.parametrize(("top_k", "indexes"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 0]), (9, [1, 2, 0])])
def test_top_k_gives_the_best_in_rank_order(top_k: int, indexes: list[int]) -> None:
    reply = reply_to(0.1, 0.3, 0.2, top_k=top_k)
    assert column(reply, "index") == indexes
    assert column(reply, "rank") == list(range(1, len(indexes) + 1))
    assert (reply["total"], reply["scored"]) == (3, 3)


def test_ties_go_by_index() -> None:
    assert column(reply_to(0.5, 0.7, 0.5, 0.7), "rank") == [3, 1, 4, 2]


def test_saturation_never_ties_ranks() -> None:
    reply = reply_to(300.0, 500.0, 400.0)
    assert column(reply, "score") == [1.0, 1.0, 1.0]
    assert column(reply, "rank") == [3, 1, 2]


def test_labels_are_the_bands() -> None:
    assert column(reply_to(-3.0, 3.0), "label") == ["no", "yes"]


def test_ids_are_given_back_where_there_are_any() -> None:
    request = ScoreRequest(query="q", candidates=[Product(title="t", id="sku"), Product(title="t")])
    reply = ReplyMaker(MANIFEST).reply(Body.of(request, MANIFEST.template), [make_job(1.0, 2.0)], TIMINGS)
    assert column(reply, "id") == ["sku", None]
    assert "id" not in reply["results"][1]


def test_unscored_pairs_follow_in_prior_order_below_every_scored_one() -> None:
    reply = reply_to(UNSCORED, -2.0, UNSCORED, 1.0, UNSCORED, priors=[1.0, 9.0, 3.0, 8.0, None])
    assert column(reply, "rank") == [4, 2, 3, 1, 5]
    assert column(reply, "label") == [None, "no", None, "yes", None]
    assert (reply["scored"], reply["total"], reply["degraded"]) == (2, 5, True)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32) | st.just(UNSCORED), min_size=1, max_size=20),
    st.lists(st.none() | st.floats(-5, 5), min_size=20, max_size=20),
)
def test_scores_are_finite_fall_with_the_rank_and_are_lower_where_not_scored(
    logits: list[float], priors: list[float | None]
) -> None:
    results = reply_to(*logits, priors=priors[: len(logits)])["results"]
    assert sorted(result["rank"] for result in results) == list(range(1, len(logits) + 1))
    assert all(math.isfinite(result["score"]) and 0 <= result["score"] <= 1 for result in results)
    by_rank = [result["score"] for result in sorted(results, key=lambda result: result["rank"])]
    assert by_rank == sorted(by_rank, reverse=True)
    scored = [result["score"] for result, logit in zip(results, logits, strict=True) if not math.isnan(logit)]
    unscored = [result["score"] for result, logit in zip(results, logits, strict=True) if math.isnan(logit)]
    assert len(set(unscored)) == len(unscored)
    assert not scored or not unscored or max(unscored) < min(scored)


def test_debug_adds_logits_tokens_and_what_was_cut() -> None:
    reply = reply_to(0.25, UNSCORED, debug=True)
    assert column(reply, "debug") == [
        {"logit": 0.25, "tokens": 3, "dropped": {}, "source": "model"},
        {"logit": None, "tokens": 3, "dropped": {"title": 4}, "source": None},
    ]
    assert reply["debug"]["bundle_version"] == "7"
    assert reply["debug"]["template"]["query_max_tokens"] == 4
    assert reply["debug"]["calibration"] == {"scale": 2.0, "bias": 0.5}


def test_several_requests_are_answered_in_their_order() -> None:
    body = ScoreRequests(requests=[make_request(2, top_k=1), make_request(1, debug=True)])
    jobs = [make_job(0.1, 0.2), make_job(UNSCORED)]
    reply = ReplyMaker(MANIFEST).reply(Body.of(body, MANIFEST.template), jobs, TIMINGS)
    ScoreReplies.model_validate(reply)
    first, second = reply["responses"]
    assert [result["index"] for result in first["results"]] == [1]
    assert (second["scored"], second["degraded"]) == (0, True)
    assert 0 <= second["results"][0]["score"] < 1e-37
    assert reply["timing_ms"]["total"] == 6.0
    assert "debug" in second["results"][0]
    assert "debug" not in first["results"][0]
