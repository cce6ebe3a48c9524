"""A split student in buckets, on the CPU provider; a GPU's faults come from injected sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from relevance.bundle import SPLIT_PARTS, Bundle
from relevance.product import Product
from service.errors import BackendError, BatchTimeoutError, SettingsError
from service.gpu.shapes import Ladders, Shape
from service.sessions import Graph, open_session
from service.settings import Settings
from service.split.buckets import BucketedGraphs, SplitShapes, split_shapes
from service.split.graphs import PlainGraphs, SplitSessions
from service.split.opening import split_tuning
from tests.conftest import SplitBundles
from tests.service.gpu.test_bucket_runner import OUT_OF_MEMORY
from tests.service.split.conftest import ServeSplit, write_catalogue
from tests.service.split.test_serving import LISTED, logits
from tests.tiny_split import QUERIES, TITLES

MICRO_BATCH = 128
ROWS = {"encoder": "input_ids", "joint": "product_latents"}
"""The input of each graph whose first axes are its shape."""


class WatchedSession:
    """A real session, in front of whose every run `before(shape)` is called."""

    def __init__(self, session: ort.InferenceSession, rows: str) -> None:
        self.before: Callable[[Shape], None] = lambda shape: None
        self._session, self._rows = session, rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: list[str], feed: dict[str, Any], options: Any = None) -> Any:
        self.before(Shape(*feed[self._rows].shape[:2]))
        return self._session.run(names, feed, options)


@pytest.fixture
def sessions(split_bundle: Bundle) -> SplitSessions:
    encoder, query, joint = (
        open_session(Graph(split_bundle.split_path("int8", part)), threads=1) for part in SPLIT_PARTS
    )
    return SplitSessions(WatchedSession(encoder, "input_ids"), query, WatchedSession(joint, "product_latents"))


@pytest.fixture
def shapes(split_bundle: Bundle) -> SplitShapes:
    return split_shapes(split_bundle.manifest.template, MICRO_BATCH, Ladders())


@pytest.fixture
def graphs(sessions: SplitSessions, shapes: SplitShapes) -> Iterator[BucketedGraphs]:
    made = BucketedGraphs(sessions, 0, shapes)
    yield made
    made.close()


def texts_of(bundle: Bundle) -> list[tuple[int, ...]]:
    rule = bundle.pair_encoder()
    return [rule.alone(text) for text in rule.encode_products([Product(title=title) for title in TITLES])]


def scored(graphs: Any, bundle: Bundle, query: str = QUERIES[0]) -> list[float]:
    """Logits of all titles, each encoded anew."""
    rule, texts = bundle.pair_encoder(), texts_of(bundle)
    (encoded,) = rule.encode_queries([query])
    found: list[float] = graphs.logits(
        graphs.query(rule.alone(encoded)), graphs.records(texts, [False] * len(texts))
    ).tolist()
    return found


def no_memory_above(tokens: int) -> Callable[[Shape], None]:
    def fails(shape: Shape) -> None:
        if shape.tokens > tokens:
            raise RuntimeError(OUT_OF_MEMORY)

    return fails


@pytest.mark.parametrize("joint_layers", [1, 2])
def test_scores_are_equal_with_and_without_buckets(
    serve_split: ServeSplit, split_bundles: SplitBundles, joint_layers: int
) -> None:
    bundle = split_bundles(joint_layers)
    forgetful = {"bundle": bundle.directory, "score_cache_mb": 0, "product_cache_mb": 0, "query_cache_mb": 0}
    plain, bucketed = serve_split(**forgetful), serve_split(buckets="on", **forgetful)
    assert isinstance(bucketed.service.engine.backend.runner.graphs, BucketedGraphs)
    for query in (*QUERIES, "red " * 40, "\ufffd"):
        for count in range(1, len(LISTED) + 1):
            found = [logits(client.score(query, LISTED[:count], debug=True)) for client in (plain, bucketed)]
            np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-6)
    assert bucketed.metric("aisle_bucket_splits_total") == 0
    assert plain.metric("aisle_bucket_shapes") is None


def test_known_products_and_requests_that_share_a_micro_batch_keep_their_scores(
    serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
) -> None:
    catalogue = write_catalogue(tmp_path / "catalogue", split_bundle)
    ids = [{"id": f"p{row}"} for row in range(len(TITLES))]
    body = {"requests": [{"query": query, "candidates": ids, "debug": True} for query in QUERIES]}
    replies = [
        serve_split(catalogue=catalogue, buckets=buckets).post("/score", json=body).json() for buckets in ("off", "on")
    ]
    plain, bucketed = (
        [result["debug"]["logit"] for response in reply["responses"] for result in response["results"]]
        for reply in replies
    )
    np.testing.assert_allclose(bucketed, plain, rtol=0, atol=1e-6)
    assert np.std(plain) > 1e-3


def test_nothing_runs_in_a_shape_that_was_not_warmed(
    graphs: BucketedGraphs, sessions: SplitSessions, shapes: SplitShapes, split_bundle: Bundle
) -> None:
    seen: dict[str, set[Shape]] = {part: set() for part in ROWS}
    for part in ROWS:
        getattr(sessions, part).before = seen[part].add
    graphs.warm(split_bundle.manifest.template.query_max_tokens)
    assert seen == {part: set(getattr(shapes, part)) for part in ROWS}
    for query in QUERIES:
        scored(graphs, split_bundle, query)
    assert seen == {part: set(getattr(shapes, part)) for part in ROWS}


def test_a_query_of_every_length_is_warmed(graphs: BucketedGraphs, sessions: SplitSessions) -> None:
    lengths: list[int] = []

    class Query:
        def __getattr__(self, name: str) -> Any:
            return getattr(sessions.query, name)

        def run(self, names: list[str], feed: dict[str, Any], options: Any) -> Any:
            lengths.append(feed["hidden"].shape[1])
            return sessions.query.run(names, feed, options)

    graphs._sessions = SplitSessions(sessions.encoder, Query(), sessions.joint)
    graphs.warm(query_tokens=5)
    assert lengths == [2, 3, 4, 5, 6, 7], "with [CLS] and [SEP]"


@pytest.mark.parametrize("part", ROWS)
def test_without_memory_smaller_shapes_are_run_and_scores_stay(
    graphs: BucketedGraphs,
    sessions: SplitSessions,
    split_bundle: Bundle,
    caplog: pytest.LogCaptureFixture,
    part: str,
) -> None:
    expected = scored(PlainGraphs(sessions, 0), split_bundle)
    before = [set(own.left) for own in graphs.fitting]
    getattr(sessions, part).before = no_memory_above(40)
    for _ in range(3):
        np.testing.assert_allclose(scored(graphs, split_bundle), expected, rtol=0, atol=1e-6)
    lacking, whole = (0, 1) if part == "encoder" else (1, 0)
    assert graphs.fitting[lacking].splits > 0
    assert set(graphs.fitting[whole].left) == before[whole], "the other graph keeps its own"
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == graphs.fitting[lacking].splits
    caplog.clear()
    scored(graphs, split_bundle)
    assert not caplog.records, "said once for each shape"


@pytest.mark.parametrize("part", ROWS)
def test_warming_gives_up_what_has_no_memory_and_nothing_else(
    graphs: BucketedGraphs, sessions: SplitSessions, part: str
) -> None:
    at = list(ROWS).index(part)
    getattr(sessions, part).before = no_memory_above(64)
    wanted = {shape for shape in graphs.fitting[at].left if shape.tokens <= 64}
    graphs.warm(query_tokens=3)
    assert set(graphs.fitting[at].left) == wanted

    def broken(_: Shape) -> None:
        raise RuntimeError("not implemented")

    getattr(sessions, part).before = broken
    with pytest.raises(BackendError, match=r"fails on .* not implemented"):
        graphs.warm(query_tokens=3)


def test_a_product_alone_without_memory_fails_and_is_tried_again_the_next_time(
    graphs: BucketedGraphs, sessions: SplitSessions, split_bundle: Bundle
) -> None:
    sessions.joint.before = no_memory_above(0)
    with pytest.raises(RuntimeError, match="Failed to allocate"):
        scored(graphs, split_bundle)
    sessions.joint.before = no_memory_above(10_000)
    assert len(scored(graphs, split_bundle)) == len(TITLES)


def test_what_was_told_to_stop_before_the_device_came_to_it_is_not_run(
    graphs: BucketedGraphs, split_bundle: Bundle
) -> None:
    options = ort.RunOptions()
    options.terminate = True
    with pytest.raises(BatchTimeoutError, match="given up"):
        graphs.records(texts_of(split_bundle), [False] * len(TITLES), options)


def test_no_shape_is_longer_than_the_encoder_has_positions(split_bundle: Bundle, shapes: SplitShapes) -> None:
    longest = split_bundle.manifest.template.max_length
    assert longest % 8, "else nothing is cut"
    assert shapes.encoder.lengths[-1] == longest
    assert max(shape.pairs for shape in shapes.joint) == MICRO_BATCH // 2
    assert min(shape.pairs for shape in shapes.joint) == 2, "a lone product comes twice"


def test_one_run_is_on_the_device_while_others_are_prepared(serve_split: ServeSplit) -> None:
    engine = serve_split(buckets="on", gpu_in_flight=3).service.engine
    assert (engine.backend.concurrency, engine.tuning.sessions) == (3, 3)


@pytest.mark.parametrize(
    ("given", "on_gpu", "tuned"),
    [
        ({}, True, (2, 4096)),
        ({"micro_batch_tokens": 512, "sessions": 5}, True, (2, 512)),
        ({"buckets": "off"}, True, (8, 4096)),
        ({}, False, (8, 256)),
        ({"buckets": "on"}, False, (2, 256)),
    ],
)
def test_a_gpu_gets_few_and_large_micro_batches(given: dict[str, Any], on_gpu: bool, tuned: tuple[int, int]) -> None:
    tuning = split_tuning(Settings.model_validate(given), 8, on_gpu)
    assert (tuning.sessions, tuning.micro_batch_tokens) == tuned


def test_cuda_graphs_of_a_split_student_stop_the_start(serve_split: ServeSplit) -> None:
    with pytest.raises(SettingsError, match="AISLE_CUDA_GRAPHS is for cross-encoders"):
        serve_split(cuda_graphs=True)
