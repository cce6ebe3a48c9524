from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtest.bench.agreement import check_agreement
from loadtest.bench.arena import Arena, Contestant, Pace
from loadtest.systems import Aisle, SentenceTransformers, System
from relevance.bundle import Bundle
from tests.loadtest.stub_server import Answer, scores_of_titles, stub, title_score

Score = Callable[[str], float]
Meet = Callable[[Score], Arena]


def peer_that_scores(score: Score) -> Answer:
    return lambda body: (200, json.dumps({"scores": [score(text) for text in json.loads(body)["documents"]]}).encode())


@pytest.fixture
def meet(bundle: Bundle) -> Iterator[Meet]:
    """An arena of two stubs: Aisle, which likes long titles, and a peer that scores as it is told."""
    with ExitStack() as stack:

        def contestant(system: System, answer: Answer) -> Contestant:
            target = stack.enter_context(stub(answer))
            return Contestant(system, cast(Any, SimpleNamespace(host=target.host, port=target.port)))

        def meet(score: Score) -> Arena:
            peer = contestant(SentenceTransformers(bundle.manifest.template), peer_that_scores(score))
            return Arena(bundle, cast(Any, None), [contestant(Aisle(), scores_of_titles), peer], Pace())

        yield meet


def test_the_same_model_agrees(meet: Meet, bundle: Bundle) -> None:
    result = check_agreement(meet(title_score)).as_json()
    assert result["sentence_transformers"] == 1.0
    assert result["correlation_of_logits"] == {"sentence_transformers": 1.0}
    assert result["graph_sha256"] == bundle.manifest.files["model.int8.onnx"].sha256


def test_scores_that_rank_otherwise_are_another_models(meet: Meet) -> None:
    with pytest.raises(RuntimeError, match=r"sentence-transformers does not rank as Aisle does .*-1\.000"):
        check_agreement(meet(lambda text: 1 - title_score(text)))


def test_scores_that_are_all_the_same_agree_with_nothing(meet: Meet) -> None:
    with pytest.raises(RuntimeError, match="does not rank as Aisle does"):
        check_agreement(meet(lambda text: 0.5))


def test_a_score_too_few_is_an_error(meet: Meet) -> None:
    arena = meet(title_score)
    short = SimpleNamespace(
        name="short", path="/rerank", call=arena.contestants[1].system.call, scores=lambda reply: [0.1]
    )
    broken = Contestant(cast(System, short), arena.contestants[1].server)
    with pytest.raises(RuntimeError, match="short gave 1 scores to 50 candidates"):
        check_agreement(Arena(arena.bundle, arena.raw, [arena.aisle, broken], Pace()))
