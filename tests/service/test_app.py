from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import onnx
import pytest
from tokenizers import models

from relevance.bundle import Bundle, BundleError, save_bundle
from service.app import batch_limits, create_app
from service.engine import load
from service.errors import BackendError, SettingsError
from service.settings import Settings
from tests.conftest import SplitBundles
from tests.service.app_client import AppClient
from tests.service.conftest import MakeService
from tests.service.tiny_bundle import PIECES, tokenizer, write_bundle


def test_loading_warms_the_backend(bundle: Bundle) -> None:
    engine = load(Settings(bundle=bundle.directory, autotune=False, sessions=2, micro_batch_tokens=64))
    assert engine.tokens_per_second > 0
    assert (engine.backend.concurrency, engine.tuning.micro_batch_tokens) == (2, 64)
    engine.backend.close()


@pytest.mark.parametrize(("settings", "sessions"), [({"sessions": 2}, 2), ({"sessions": 1}, 1), ({"buckets": "on"}, 1)])
def test_a_request_is_shared_by_the_sessions_where_each_has_its_cores(
    bundle: Bundle, settings: dict[str, Any], sessions: int
) -> None:
    engine = load(Settings(bundle=bundle.directory, autotune=False, micro_batch_tokens=64, **settings))
    assert batch_limits(engine).sessions == sessions
    assert bool(batch_limits(engine).widths) == ("buckets" in settings)
    engine.backend.close()


@pytest.mark.parametrize("buckets", ["off", "on"])
def test_a_split_students_list_is_not_shared(split_bundles: SplitBundles, buckets: str) -> None:
    bundle = split_bundles()
    engine = load(Settings(bundle=bundle.directory, sessions=None if buckets == "on" else 2, buckets=buckets))
    assert batch_limits(engine).sessions == 1
    engine.backend.close()


def write_manifest(bundle: Bundle) -> None:
    """Anew, for files that were changed."""
    save_bundle(bundle.directory, bundle.manifest.model_dump(mode="json", exclude={"files"}))


def test_a_missing_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not there"):
        load(Settings(bundle=tmp_path / "nothing"))


def test_a_tokenizer_whose_ids_the_graph_cannot_read_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny")
    path = bundle.directory / "model.int8.onnx"
    graph = onnx.load(path)
    (lookup,) = [node for node in graph.graph.node if node.op_type == "Gather"]
    # Of the query too, so that the last word of the vocabulary, which the table lacks, is looked up.
    lookup.input[1] = "input_ids"
    onnx.save(graph, path)
    write_manifest(bundle)
    with pytest.raises(BackendError, match=rf"token id {len(PIECES) - 1}, .* not of one model; export"):
        load(Settings(bundle=bundle.directory, autotune=False))


def test_a_tokenizer_without_a_token_for_the_unknown_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny")
    made = tokenizer()
    made.model = models.WordPiece(made.get_vocab(), unk_token="[NONE]")
    made.save(str(bundle.directory / "tokenizer.json"))
    write_manifest(bundle)
    with pytest.raises(BackendError, match=r"the tokenizer of bundle .*tiny cannot be used: .*UNK.* token"):
        load(Settings(bundle=bundle.directory, autotune=False))


def test_a_queue_too_small_for_the_bundle_is_refused(bundle: Bundle) -> None:
    with pytest.raises(SettingsError, match="AISLE_QUEUE_TOKENS"):
        load(Settings(bundle=bundle.directory, queue_tokens=300))


def test_lone_threads_beside_buckets_are_refused(bundle: Bundle) -> None:
    with pytest.raises(SettingsError, match="AISLE_LONE_THREADS is for a CPU without buckets"):
        load(Settings(bundle=bundle.directory, lone_threads=2, buckets="on"))


def test_sessions_beside_buckets_are_refused(bundle: Bundle) -> None:
    with pytest.raises(SettingsError, match="AISLE_SESSIONS is for a run without buckets; in buckets AISLE_GPU"):
        load(Settings(bundle=bundle.directory, sessions=2, buckets="on"))


@pytest.mark.parametrize(("lone_threads", "wide"), [(2, True), (1, False)])
def test_lone_threads_decide_whether_there_is_a_wider_session(bundle: Bundle, lone_threads: int, wide: bool) -> None:
    engine = load(Settings(bundle=bundle.directory, sessions=2, threads=1, lone_threads=lone_threads))
    assert engine.lone_threads == lone_threads
    assert (engine.backend.lone is not engine.backend.runner) == wide
    engine.backend.close()


def test_a_tokenizer_without_the_special_tokens_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.json"
    path.write_text(tokenizer().to_str().replace("[CLS]", "<s>"))
    monkeypatch.setattr("tests.service.tiny_bundle.tokenizer", lambda: type(tokenizer()).from_file(str(path)))
    write_bundle(tmp_path / "bundle")
    with pytest.raises(BackendError, match=r"no \[CLS\] token"):
        load(Settings(bundle=tmp_path / "bundle"))


def test_draining_waits_for_accepted_requests(make_service: MakeService) -> None:
    async def scenario() -> None:
        service = make_service()
        app = create_app(service)
        async with app.router.lifespan_context(app):
            with service.lifecycle.accept():
                draining = asyncio.create_task(service.drain())
                await asyncio.sleep(0)
                assert service.lifecycle.draining
                assert not draining.done()
            await draining
            assert service.stages.batcher.alive

    asyncio.run(scenario())


def test_draining_without_a_request_leaves_none_behind(
    make_service: MakeService, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(make_service(drain_seconds=0.0).drain())
    assert not caplog.records


def test_draining_ends_after_its_time(make_service: MakeService) -> None:
    async def scenario() -> None:
        service = make_service(drain_seconds=0.0)
        app = create_app(service)
        async with app.router.lifespan_context(app):
            with service.lifecycle.accept():
                await service.drain()
            assert not service.stages.batcher.alive

    asyncio.run(scenario())


def test_the_docs_are_served(client: AppClient) -> None:
    assert client.get("/docs").status_code == 200
