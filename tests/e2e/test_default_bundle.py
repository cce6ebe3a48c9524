"""The bundles in the repository, served by the real process: what a newcomer gets, and the cross-encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.workload import Workload
from relevance.bundle import load_bundle

from .server_process import ROOT, ServerProcess, serving

BUNDLE = ROOT / "models" / "default"
CROSS_ENCODER = ROOT / "models" / "cross-encoder"
MEGABYTE = 1_000_000
SCORE_BOUNDS = {CROSS_ENCODER: 1e-5, BUNDLE: 1e-7}
"""How far a pair's score may move with its batch: integer products are exact, and all else is row by row. Nothing of a
split student is summed in an order that depends on the batch, so there it is the same number."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    # Without the cache every score is computed, in whichever batch it falls.
    with serving(BUNDLE, score_cache_mb=0) as started:
        yield started


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


@pytest.mark.parametrize("bundle", SCORE_BOUNDS)
def test_it_is_whole_small_and_says_where_it_comes_from(bundle: Path) -> None:
    manifest = load_bundle(bundle).manifest
    assert size_of(bundle) < 25 * MEGABYTE
    assert manifest.parity["int8"]["ndcg_torch"] - manifest.parity["int8"]["ndcg_graph"] <= 0.005
    assert any("Icecat" in licence for licence in manifest.licences)
    assert manifest.metrics["ndcg@10"]["student"] > manifest.metrics["ndcg@10"]["bm25"]


@pytest.mark.parametrize(
    ("query", "best", "others"),
    [
        ("usb c charger for laptop", "65W USB-C power adapter, GaN, 2 m", ["Laptop sleeve 14 inch", "Dog harness"]),
        ("sofa", "Three seater couch, grey velvet", ["Coffee table, oak", "Ceramic plant pot 20 cm"]),
        ("running shoes women", "Women's trail running trainers, size 38", ["Running belt", "Cast iron skillet"]),
        ("wireless mouse", "Cordless optical mouse, 2.4 GHz", ["Mouse mat, XL", "Wireless doorbell"]),
    ],
)
def test_it_prefers_what_the_shopper_wants(server: ServerProcess, query: str, best: str, others: list[str]) -> None:
    reply = server.score(query, [*others, best], top_k=1).json()
    assert reply["results"][0]["index"] == len(others)


@pytest.mark.parametrize("bundle", SCORE_BOUNDS)
def test_a_score_does_not_depend_on_the_batch(bundle: Path) -> None:
    # Without the caches every score is computed, in whichever batch it falls, and every product encoded.
    with serving(bundle, score_cache_mb=0, product_cache_mb=0) as server:
        compare_alone_and_together(server, SCORE_BOUNDS[bundle])


def compare_alone_and_together(server: ServerProcess, bound: float) -> None:
    (body,) = Workload(seed=3, candidates=60).bodies(1)
    padded = [*body["candidates"], {"title": " ".join(f"{n} litre steel garden bucket" for n in range(12))}]
    together = server.score(body["query"], padded).json()["results"]
    for result in together[::4]:
        (alone,) = server.score(body["query"], [padded[result["index"]]]).json()["results"]
        assert abs(alone["score"] - result["score"]) <= bound
