from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from relevance.product import Product
from tests.training.word_encoder import WordEncoder
from training.config import DistillSettings, PoolSettings
from training.datasets.schema import LoggedQuery
from training.errors import DataError, RunDirectoryError
from training.pool import Pool, Source, drawing, load_pool
from training.pool.drawing import draw_pool
from training.pool.files import digests
from training.pool.queries import PoolSources
from training.run_directory import RunDirectory, Stage

ROOT = Path(__file__).parents[3]
COLORS, NOUNS = ("red", "blue", "green", "black"), ("shoe", "lamp", "cable", "table", "chair")
PRODUCTS = [
    Product(title=f"{color} {noun} {n}", product_type=noun) for color in COLORS for noun in NOUNS for n in range(4)
]
LOG = [LoggedQuery(f"{color} {noun}") for color in COLORS for noun in NOUNS]
SOURCES = PoolSources(LOG, [LoggedQuery("cable for lamp")], PRODUCTS, [("red shoe", [0, 1, 30]), ("lamp", [7])])
SETTINGS = DistillSettings(pool=PoolSettings(pairs=200, candidates_per_query=8, retrieval_depth=20))


def draw(folder: Path, encoder: WordEncoder | None = None, settings: DistillSettings = SETTINGS) -> Pool:
    stage = RunDirectory(folder, {}).stage("pool")
    draw_pool(SOURCES, settings, encoder or WordEncoder(), stage)
    return load_pool(stage)


def assert_same(first: Pool, second: Pool) -> None:
    assert (first.queries, first.products) == (second.queries, second.products)
    for name in ("query_of", "product_of", "source"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_allclose(first.cosine, second.cosine, rtol=1e-5)
    np.testing.assert_array_equal(first.facts.overlap, second.facts.overlap)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return draw(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "QUERIES_PER_BLOCK", 4)
    monkeypatch.setattr(drawing, "PRODUCTS_PER_FILE", 16)


def test_the_pool_starts_with_the_judged_pairs_and_has_the_size_asked_for(whole: Pool) -> None:
    assert [whole.products[row].title for row in whole.product_of[:4]] == [PRODUCTS[n].title for n in (0, 1, 30, 7)]
    assert whole.source[:5].tolist() == [Source.JUDGED] * 4 + [whole.source[4]]
    assert Source.JUDGED not in whole.source[4:]
    assert len(whole) == 4 + 200
    assert len(whole.groups) == len(whole.queries) == 2 + 25
    # What no pair needs is not carried along.
    assert set(whole.product_of.tolist()) == set(range(len(whole.products)))
    assert whole.catalogue == len(PRODUCTS)
    for rows in list(whole.groups)[2:]:
        assert len(set(whole.product_of[rows].tolist())) == 8


def test_each_pair_holds_its_own_cosine(whole: Pool) -> None:
    encoder = WordEncoder()
    for row in (0, 3, 4, 100, 203):
        query, product = whole.queries[whole.query_of[row]], whole.products[whole.product_of[row]]
        vectors = encoder.encode([query, product.title])
        assert whole.cosine[row] == pytest.approx(vectors[0] @ vectors[1], rel=1e-5)


@pytest.mark.usefixtures("small_blocks")
def test_the_size_of_the_blocks_does_not_change_what_is_drawn(whole: Pool, tmp_path: Path) -> None:
    assert_same(draw(tmp_path), whole)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("pairs", [200, 3200])
def test_no_more_than_a_block_is_worked_on_at_once(tmp_path: Path, pairs: int) -> None:
    encoder = WordEncoder()
    pool = SETTINGS.pool.model_copy(update={"pairs": pairs})
    draw(tmp_path, encoder, SETTINGS.model_copy(update={"pool": pool}))
    # Products come in files of 16, queries in blocks of 4, whatever the size of the pool.
    assert max(encoder.asked) == 16
    assert max(encoder.asked[len(PRODUCTS) // 16 :]) <= 4


class DyingEncoder(WordEncoder):
    """Fails when asked for the texts of block `block`."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.left = block

    def encode(self, texts: Sequence[str], /) -> npt.NDArray[np.float32]:
        if len(texts) <= 4:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return super().encode(texts)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("block", [0, 1, 5])
def test_a_draw_that_died_goes_on_where_it_was(whole: Pool, tmp_path: Path, block: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, DyingEncoder(block))
    drawing = tmp_path / "pool" / "drawing"
    assert len(list(drawing.glob("block-*.npz"))) == block
    (drawing / f"block-{block:05d}.partial").write_bytes(b"half a bl")
    encoder = WordEncoder()
    assert_same(draw(tmp_path, encoder), whole)
    # Seven blocks of queries in all; the catalogue was encoded before.
    assert len(encoder.asked) == 7 - block
    assert not drawing.exists()


@pytest.mark.usefixtures("small_blocks")
def test_a_damaged_block_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, DyingEncoder(2))
    path = tmp_path / "pool" / "drawing" / "block-00001.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunDirectoryError, match=r"block-00001\.npz is damaged"):
        draw(tmp_path)


@pytest.mark.usefixtures("small_blocks")
def test_a_block_of_other_queries_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, DyingEncoder(2))
    drawing = tmp_path / "pool" / "drawing"
    # The last block is a shorter one.
    (drawing / "block-00001.npz").rename(drawing / "block-00006.npz")
    with pytest.raises(RunDirectoryError, match=r"block-00006\.npz is not a block of 3 queries"):
        draw(tmp_path)


@pytest.mark.usefixtures("small_blocks")
def test_blocks_of_another_draw_are_not_taken_up(whole: Pool, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        # The queries are the same, what is retrieved for them is not.
        pool = SETTINGS.pool.model_copy(update={"retrieval_depth": 12})
        draw(tmp_path, DyingEncoder(3), SETTINGS.model_copy(update={"pool": pool}))
    encoder = WordEncoder()
    assert_same(draw(tmp_path, encoder), whole)
    # All of them: five files of products, seven blocks of queries.
    assert len(encoder.asked) == 5 + 7


KILLED = """
import os, signal, sys
sys.path.insert(0, "tests/training")
from pathlib import Path
from training.pool import drawing
from training.pool.blocks import BlockStore
from tests.training.pool import test_drawing as here
drawing.QUERIES_PER_BLOCK, drawing.PRODUCTS_PER_FILE = 4, 16
save = BlockStore.save_block
def dying(self, number, block):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, number, block)
BlockStore.save_block = dying
here.draw(Path(sys.argv[1]))
"""


@pytest.mark.usefixtures("small_blocks")
def test_a_killed_process_leaves_a_draw_that_ends_the_same(whole: Pool, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list((tmp_path / "pool" / "drawing").glob("block-*.npz"))) == 3
    assert_same(draw(tmp_path), whole)


def test_the_report_is_written_with_the_pool(tmp_path: Path) -> None:
    draw(tmp_path)
    assert "204 pairs of 27 queries" in (tmp_path / "pool" / "report.md").read_text(encoding="utf-8")


def test_a_pool_of_nothing_is_refused(tmp_path: Path) -> None:
    stage: Stage = RunDirectory(tmp_path, {}).stage("pool")
    for sources in (PoolSources([], [], PRODUCTS, []), PoolSources(LOG, [], [], [])):
        with pytest.raises(DataError, match="no query or no product"):
            draw_pool(sources, SETTINGS, WordEncoder(), stage)
    assert not stage.finished


def test_a_drawn_pool_tells_of_its_files(tmp_path: Path) -> None:
    draw(tmp_path)
    stage = Stage(tmp_path / "pool")
    assert stage.manifest()["sha256"] == digests(stage.directory)
    assert len(digests(stage.directory)) == 6
