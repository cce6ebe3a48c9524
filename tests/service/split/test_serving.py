from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export.split_runner import SplitList, SplitRunner
from relevance.bundle import SPLIT_PARTS, Bundle, save_bundle
from relevance.catalogue import Catalogue
from relevance.product import Product
from service.catalogue_reload import follow
from service.engine import load
from service.errors import BackendError, SettingsError
from service.predicted_cost import KNOWN_COST
from service.settings import Settings
from tests.conftest import SplitBundles
from tests.service.app_client import AppClient
from tests.service.split.conftest import ServeSplit, write_catalogue
from tests.tiny_split import QUERIES, TITLES

LISTED = list(TITLES)


def logits(reply: Any) -> list[float]:
    return [result["debug"]["logit"] for result in reply.json()["results"]]


def expected(bundle: Bundle, query: str, titles: list[str]) -> list[float]:
    """What the export's own runner gives."""
    rule = bundle.pair_encoder()
    runner = SplitRunner({part: bundle.split_path("int8", part) for part in SPLIT_PARTS}, rule.pad_id)
    texts = [rule.alone(text) for text in rule.encode_products([Product(title=title) for title in titles])]
    (encoded,) = rule.encode_queries([query])
    return runner.logits(SplitList(rule.alone(encoded), texts, np.zeros(len(texts)))).tolist()


@contextmanager
def hanging_disk(client: AppClient) -> Iterator[None]:
    """No tier behind the memory answers inside."""
    split = client.service.engine.split
    assert split is not None
    awake = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split.store, "get_slower", lambda keys: awake.wait() and [None for _ in keys])
        try:
            yield
        finally:
            awake.set()


def test_scores_are_those_of_the_graphs(serve_split: ServeSplit, split_bundle: Bundle) -> None:
    client = serve_split()
    for query in QUERIES:
        found = logits(client.score(query, LISTED, debug=True))
        np.testing.assert_allclose(found, expected(split_bundle, query, LISTED), atol=1e-5)
        assert np.std(found) > 1e-3


def test_graphs_of_another_version_are_refused(serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path) -> None:
    older = Path(shutil.copytree(split_bundle.directory, tmp_path / "older"))
    path = split_bundle.split_path("int8", "joint")
    graph = onnx.load(path)
    (reach,) = [item for item in graph.graph.input if item.name == "reach"]
    extra = onnx.ValueInfoProto()
    extra.CopyFrom(reach)
    extra.name = "query_latents"
    graph.graph.input.append(extra)
    onnx.save(graph, older / path.name)
    fields = {name: getattr(split_bundle.manifest, name) for name in type(split_bundle.manifest).model_fields}
    save_bundle(older, {name: value for name, value in fields.items() if name != "files"})
    with pytest.raises(BackendError, match="another version of Aisle; export it again"):
        serve_split(bundle=older)


def test_an_older_bundle_whose_graphs_agree_on_one_more_constant_goes_on_serving(
    serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(split_bundle.directory, tmp_path / "older"))
    for part, ends in (("query", "output"), ("joint", "input")):
        path = split_bundle.split_path("int8", part)  # type: ignore[arg-type]
        graph = onnx.load(path)
        (pooled,) = [item for item in getattr(graph.graph, ends) if item.name == "query_pooled"]
        extra = onnx.ValueInfoProto()
        extra.CopyFrom(pooled)
        extra.name = "reach_bias"
        getattr(graph.graph, ends).append(extra)
        if part == "query":
            graph.graph.node.append(onnx.helper.make_node("Identity", ["query_pooled"], ["reach_bias"]))
        onnx.save(graph, older / path.name)
    fields = {name: getattr(split_bundle.manifest, name) for name in type(split_bundle.manifest).model_fields}
    save_bundle(older, {name: value for name, value in fields.items() if name != "files"})
    found = logits(serve_split(bundle=older).score(QUERIES[0], LISTED, debug=True))
    np.testing.assert_allclose(found, expected(split_bundle, QUERIES[0], LISTED), atol=1e-5)


def test_a_product_is_encoded_once_and_scored_for_every_query(serve_split: ServeSplit) -> None:
    client = serve_split(score_cache_mb=0)
    assert client.metric("aisle_encoded_products_total") == 0, "measuring at the start leaves nothing behind"
    first = logits(client.score(QUERIES[0], LISTED, debug=True))
    assert client.metric("aisle_encoded_products_total") == len(TITLES)
    client.score(QUERIES[1], LISTED)
    again = logits(client.score(QUERIES[0], LISTED[::-1], debug=True))[::-1]
    assert client.metric("aisle_encoded_products_total") == len(TITLES)
    assert client.metric("aisle_product_cache_hits_total") == 2 * len(TITLES)
    np.testing.assert_allclose(again, first, atol=1e-5)


def test_without_memory_every_product_is_encoded_every_time(serve_split: ServeSplit, split_bundle: Bundle) -> None:
    client = serve_split(score_cache_mb=0, product_cache_mb=0, query_cache_mb=0)
    for _ in range(2):
        found = logits(client.score(QUERIES[1], LISTED, debug=True))
        np.testing.assert_allclose(found, expected(split_bundle, QUERIES[1], LISTED), atol=1e-5)
    assert client.metric("aisle_product_cache_hits_total") == 0


def test_requests_of_many_queries_share_a_batch_and_keep_their_scores(
    serve_split: ServeSplit, split_bundle: Bundle
) -> None:
    client = serve_split()
    client.score("garden", LISTED)
    batches = client.metric("aisle_batch_pairs_count") or 0
    body = {"requests": [{"query": query, "candidates": LISTED, "debug": True} for query in QUERIES]}
    for query, response in zip(QUERIES, client.post("/score", json=body).json()["responses"], strict=True):
        found = [result["debug"]["logit"] for result in response["results"]]
        np.testing.assert_allclose(found, expected(split_bundle, query, LISTED), atol=1e-5)
    assert (client.metric("aisle_batch_pairs_count") or 0) - batches < len(QUERIES)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("red shoe", "\ufffd"),
        ("\ufffd", "red shoe"),
        ("[SEP] shoe", "[SEP] red [PAD] shoe"),
        ("red " * 40, "shoe " * 40),
    ],
)
def test_texts_without_tokens_or_of_special_ones_or_too_long_are_scored(
    serve_split: ServeSplit, split_bundle: Bundle, query: str, title: str
) -> None:
    client = serve_split()
    for _ in range(2):
        reply = client.score(query, [title, "oak table"], debug=True)
        np.testing.assert_allclose(logits(reply), expected(split_bundle, query, [title, "oak table"]), atol=1e-5)


def test_a_product_served_with_two_joint_layers(serve_split: ServeSplit, split_bundles: SplitBundles) -> None:
    bundle = split_bundles(joint_layers=2)
    client = serve_split(bundle=bundle.directory)
    for query in QUERIES:
        np.testing.assert_allclose(
            logits(client.score(query, LISTED, debug=True)), expected(bundle, query, LISTED), atol=1e-5
        )


def test_a_known_product_costs_less_than_one_that_must_be_encoded(serve_split: ServeSplit) -> None:
    client = serve_split(score_cache_mb=0)

    def batch_tokens() -> float:
        return client.metric("aisle_batch_tokens_sum") or 0.0

    before = batch_tokens()
    client.score(QUERIES[0], LISTED)
    cold = batch_tokens() - before
    client.score(QUERIES[1], LISTED)
    # A pair each, and the new query's share of it.
    cost = batch_tokens() - before - cold
    assert KNOWN_COST * len(TITLES) <= cost <= (KNOWN_COST + 1) * len(TITLES) < cold


class TestCatalogue:
    def test_ids_alone_score_as_their_products(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        ids = [{"id": f"p{row}"} for row in range(len(TITLES))]
        reply = client.score(QUERIES[1], ids, debug=True)
        np.testing.assert_allclose(logits(reply), expected(split_bundle, QUERIES[1], LISTED), atol=1e-5)
        assert [result["id"] for result in reply.json()["results"]] == [f"p{row}" for row in range(len(TITLES))]
        assert client.metric("aisle_catalogue_cache_hits_total") == len(TITLES)
        client.score(QUERIES[0], ids)
        assert client.metric("aisle_catalogue_cache_hits_total") == len(TITLES), "the memory answers from now on"

    def test_the_white_space_around_an_id_means_nothing(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        (plain, padded) = client.score(QUERIES[0], [{"id": "p1"}, {"id": " p1\n"}]).json()["results"]
        assert (padded["id"], padded["score"]) == (" p1\n", plain["score"])

    def test_an_unknown_id_is_told_in_its_place_and_never_scored(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        candidates = [{"id": "p0"}, {"id": "nobody"}, {"id": "p2", "prior": 3.0}, "oak table"]
        reply = client.score(QUERIES[0], candidates, top_k=2).json()
        assert (reply["scored"], reply["total"], reply["degraded"]) == (3, 4, False)
        best, second, unknown = reply["results"]
        assert (best["rank"], second["rank"]) == (1, 2)
        assert unknown.keys() == {"index", "id", "error"}
        assert (unknown["index"], unknown["id"], unknown["error"]["code"]) == (1, "nobody", "unknown_product")

    def test_ids_in_a_body_of_several_requests_with_texts_between(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        lists = [[{"id": "p3"}, "oak table"], ["dog bed", {"id": "nobody"}, {"id": "p0"}]]
        body = {"requests": [{"query": QUERIES[0], "candidates": own, "debug": True} for own in lists]}
        first, second = client.post("/score", json=body).json()["responses"]
        found = [first["results"][0], first["results"][1], second["results"][0], second["results"][2]]
        titles = [TITLES[3], "oak table", "dog bed", TITLES[0]]
        np.testing.assert_allclose(
            [result["debug"]["logit"] for result in found], expected(split_bundle, QUERIES[0], titles), atol=1e-5
        )
        assert second["results"][1]["error"]["code"] == "unknown_product"

    def test_a_damaged_record_is_told_and_a_text_computed(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        place = write_catalogue(tmp_path / "catalogue", split_bundle)
        client = serve_split(catalogue=place)
        (records,) = place.glob("*.bin")
        content = bytearray(records.read_bytes())
        for at in range(0, len(content), 16):
            content[at] ^= 0xFF
        with records.open("r+b") as file:
            file.write(content)
        reply = client.score(QUERIES[0], [{"id": "p0"}, TITLES[0]], debug=True).json()
        assert reply["results"][0]["error"]["code"] == "unreadable_product"
        np.testing.assert_allclose(
            reply["results"][1]["debug"]["logit"], expected(split_bundle, QUERIES[0], [TITLES[0]])[0], atol=1e-5
        )
        assert (client.metric("aisle_catalogue_damaged_reads_total") or 0) > 0

    def test_an_id_keeps_its_score_when_the_catalogue_changes_under_the_request(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "old", split_bundle), product_cache_mb=0)
        new = write_catalogue(tmp_path / "new", split_bundle, {"p0": "usb cable"})
        split = client.service.engine.split
        assert split is not None
        find = split.pairing.find

        def found_then_exchanged(ids: Any) -> Any:
            found = find(ids)
            split.store.use(Catalogue.open(new, split_bundle.encoder_version("int8")))
            return found

        monkeypatch.setattr(split.pairing, "find", found_then_exchanged)
        reply = client.score(QUERIES[1], [{"id": "p0"}], debug=True)
        np.testing.assert_allclose(logits(reply), expected(split_bundle, QUERIES[1], ["usb cable"]), atol=1e-5)

    def test_a_disk_that_hangs_holds_up_no_text(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("service.split.pairing.LOOKUP_SECONDS", 0.01)
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        with hanging_disk(client):
            reply = client.score(QUERIES[0], [{"id": "p0"}, TITLES[1]], debug=True).json()
        assert reply["results"][0]["error"]["code"] == "unreadable_product"
        np.testing.assert_allclose(
            reply["results"][1]["debug"]["logit"], expected(split_bundle, QUERIES[0], [TITLES[1]])[0], atol=1e-5
        )
        assert client.metric("aisle_late_lookups_total") == 1

    def test_a_disk_that_hangs_leaves_a_request_with_a_deadline_time_to_be_scored(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("service.split.pairing.LOOKUP_SECONDS", 60.0)
        monkeypatch.setattr("service.split.pairing.LOOKUP_SHARE", 0.01)
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        with hanging_disk(client):
            reply = client.score(QUERIES[0], [TITLES[1]], deadline_ms=5_000)
        assert (reply.status_code, reply.json()["degraded"]) == (200, False)

    def test_a_product_by_its_id_is_waited_for_whatever_the_deadline(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("service.split.pairing.LOOKUP_SHARE", 0.0)
        monkeypatch.setattr("service.split.pairing.LEAST_SECONDS", 0.0)
        catalogue = write_catalogue(tmp_path / "catalogue", split_bundle)
        client = serve_split(catalogue=catalogue, product_cache_mb=0)
        reply = client.score(QUERIES[0], [{"id": "p0"}, TITLES[1]], deadline_ms=5_000).json()
        assert all(result["score"] is not None for result in reply["results"])

    def test_nothing_but_unknown_ids_is_answered_at_once(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        reply = client.score(QUERIES[0], [{"id": "a"}, {"id": "b"}])
        assert reply.status_code == 200
        assert [result["error"]["code"] for result in reply.json()["results"]] == ["unknown_product"] * 2

    def test_without_a_catalogue_an_id_alone_lacks_its_title(self, serve_split: ServeSplit) -> None:
        reply = serve_split().score(QUERIES[0], ["oak table", {"id": "p1"}])
        assert reply.status_code == 422
        (error,) = reply.json()["errors"]
        assert error["field"] == "candidates[1].title"
        assert error["message"].startswith("is required: an id alone names a product of a catalogue")
        assert "AISLE_CATALOGUE" in error["message"]

    def test_a_changed_text_under_the_same_id_is_another_product(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        client = serve_split(catalogue=write_catalogue(tmp_path / "catalogue", split_bundle))
        reply = client.score(QUERIES[0], [{"id": "p0", "title": "garden chair"}], debug=True)
        np.testing.assert_allclose(logits(reply), expected(split_bundle, QUERIES[0], ["garden chair"]), atol=1e-5)

    def test_another_catalogue_takes_over_while_serving(
        self, serve_split: ServeSplit, split_bundle: Bundle, tmp_path: Path
    ) -> None:
        place = write_catalogue(tmp_path / "catalogue", split_bundle)
        client = serve_split(catalogue=place, product_cache_mb=0)
        for _ in range(3):
            # By now all is remembered that ever will be: the candidates' bytes, and what the catalogue said of them.
            results = client.score(QUERIES[1], [{"id": "p0"}, {"id": "p1"}]).json()["results"]
            assert all("score" in result for result in results)
        place.rename(tmp_path / "old")
        write_catalogue(tmp_path / "new", split_bundle, {"p0": "usb cable"}).rename(place)
        split = client.service.engine.split
        assert split is not None and split.follower is not None
        split.follower.reload_if_changed()
        reply = client.score(QUERIES[1], [{"id": "p0"}, {"id": "p1"}], debug=True).json()
        np.testing.assert_allclose(
            reply["results"][0]["debug"]["logit"], expected(split_bundle, QUERIES[1], ["usb cable"])[0], atol=1e-5
        )
        assert reply["results"][1]["error"]["code"] == "unknown_product"

    def test_a_catalogue_of_another_encoder_stops_the_start(
        self, serve_split: ServeSplit, split_bundles: SplitBundles, tmp_path: Path
    ) -> None:
        place = write_catalogue(tmp_path / "catalogue", split_bundles())
        with pytest.raises(BackendError, match="AISLE_CATALOGUE cannot be used"):
            serve_split(bundle=split_bundles(seed=1).directory, catalogue=place)


def test_a_catalogue_for_a_cross_encoder_stops_the_start(
    serve_split: ServeSplit, bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="AISLE_CATALOGUE holds records of a split student"):
        serve_split(bundle=bundle.directory, catalogue=tmp_path)


def test_products_encoded_apart_by_length_keep_their_places(split_bundle: Bundle) -> None:
    engine = load(Settings(bundle=split_bundle.directory, sessions=1, product_cache_mb=0))
    encoder, runner = engine.pairing.encoder, engine.backend.runner
    # Two requests in a micro-batch: short before long.
    products = encoder.encode_products([Product(title=title) for title in (*sorted(TITLES, key=len), TITLES[0])])
    pairs = asyncio.run(engine.pairing.pairs(encoder.encode_queries([QUERIES[0]]), [products]))[0]
    alone = [runner.run([pair]).logits[0] for pair in pairs]
    np.testing.assert_allclose(runner.run(pairs).logits, alone, atol=1e-6)
    assert len({round(float(logit), 3) for logit in alone}) == len(TITLES)
    engine.backend.close()


def test_lone_threads_for_a_split_student_stop_the_start(serve_split: ServeSplit) -> None:
    with pytest.raises(SettingsError, match="AISLE_LONE_THREADS is for cross-encoders"):
        serve_split(lone_threads=2)


def test_following_goes_on_after_a_failure() -> None:
    asked = []

    class Follower:
        def reload_if_changed(self) -> bool:
            asked.append(1)
            if len(asked) == 1:
                raise OSError("the disk is away")
            return False

    async def wait() -> None:
        if len(asked) == 3:
            raise asyncio.CancelledError

    async def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            await follow(Follower(), wait)  # type: ignore[arg-type]

    asyncio.run(run())
    assert len(asked) == 3
