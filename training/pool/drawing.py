"""Drawing the pool block by block: queries → retrieval → candidates → files. Pairs are never all in memory.

Each query has its own generator, from the seed and the query's number, so it does not matter where a killed
draw was taken up, nor how large blocks are (but for products whose cosines differ by rounding alone).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

from training.config import DistillSettings
from training.errors import DataError
from training.pool.blocks import Block, BlockStore
from training.pool.chooser import Chooser, Draw, TextEncoder
from training.pool.files import PairColumns, digests, write_pairs, write_texts
from training.pool.pairs import Origin, manifest_of, open_pool
from training.pool.queries import DrawnQuery, PoolSources, draw_queries
from training.pool.report import write_pool_report
from training.pool.retrievers import Vectors
from training.run_directory import Stage

QUERIES_PER_BLOCK = 1024
PRODUCTS_PER_FILE = 2048
REPORT = "report.md"
DRAWING = "drawing"
"""Folder of an unfinished draw."""

Progress = Callable[[int], None]
Bar = Callable[[str, int], AbstractContextManager[Progress]]
"""Makes a progress bar from a title and a total, like `training.progress.progress_bar`."""


def _silent(title: str, total: int) -> AbstractContextManager[Progress]:
    return nullcontext(lambda done: None)


def draw_pool(
    sources: PoolSources, settings: DistillSettings, encoder: TextEncoder, stage: Stage, bar: Bar = _silent
) -> None:
    """Write the judged pairs and `settings.pool.pairs` more; a query that is drawn again gets other candidates.

    Only products that some pair needs are kept. What a killed draw finished is taken up. DataError if there
    is nothing to draw from.
    """
    judged = [DrawnQuery(query, Origin.JUDGED) for query, _ in sources.judged]
    queries = [*judged, *draw_queries(sources, settings)]
    if not queries or not sources.products:
        raise DataError("the pool has no query or no product to draw from; see [pool] in the settings")
    store = BlockStore(stage.directory / DRAWING, _digest(sources, queries, settings))
    draw = Draw(sources, queries, settings, encoder, store)
    _draw_blocks(draw, bar)
    _finish(draw, stage)
    remove_drawing(stage)


def remove_drawing(stage: Stage) -> None:
    """Remove what a finished pool was made from: at its end, or later if a kill came before that."""
    shutil.rmtree(stage.directory / DRAWING, ignore_errors=True)


def _digest(sources: PoolSources, queries: Iterable[DrawnQuery], settings: DistillSettings) -> str:
    """Of everything that decides what is drawn."""
    plan = (settings.seed, settings.pool.model_dump_json(), QUERIES_PER_BLOCK, PRODUCTS_PER_FILE)
    digest = hashlib.sha256(repr(plan).encode())
    for query in queries:
        digest.update(repr((query.text, int(query.origin))).encode())
    for product in sources.products:
        digest.update(product.model_dump_json(exclude_defaults=True).encode())
    digest.update(repr(sources.judged).encode())
    return digest.hexdigest()


def _draw_blocks(draw: Draw, bar: Bar) -> None:
    """Draw every block that is not there yet."""
    missing = [place for place in enumerate(_blocks(draw)) if draw.store.load_block(place[0], len(place[1])) is None]
    if not missing:
        return
    products = draw.sources.products
    with bar("pool: encoding", len(products)) as progress:
        vectors = _encode_catalogue(draw, progress)
    chooser = Chooser(draw, vectors)
    with bar("pool: drawing", len(draw.queries)) as progress:
        progress(len(draw.queries) - sum(len(rows) for _, rows in missing))
        for number, rows in missing:
            draw.store.save_block(number, chooser.block(rows))
            progress(len(rows))


def _blocks(draw: Draw) -> list[range]:
    count = len(draw.queries)
    return [range(start, min(start + QUERIES_PER_BLOCK, count)) for start in range(0, count, QUERIES_PER_BLOCK)]


def _encode_catalogue(draw: Draw, progress: Progress) -> Vectors:
    """The products' vectors (p, d), kept in files as they come: encoding a large catalogue takes long."""
    products, parts = draw.sources.products, []
    for number, start in enumerate(range(0, len(products), PRODUCTS_PER_FILE)):
        name, some = f"products-{number:05d}", products[start : start + PRODUCTS_PER_FILE]
        arrays = draw.store.load(name)
        if arrays is None:
            arrays = {"vectors": draw.encoder.encode_products(some)}
            draw.store.save(name, **arrays)
        parts.append(arrays["vectors"])
        progress(len(some))
    return np.concatenate(parts)


def _finish(draw: Draw, stage: Stage) -> None:
    """The pool's files from the blocks, the report, and the manifest last."""
    used = np.zeros(len(draw.sources.products), dtype=np.bool_)
    overlaps, pairs = [], 0
    for block in _finished(draw):
        used[block.product] = True
        overlaps.append(block.overlap)
        pairs += len(block.product)
    queries = {
        "query": [query.text for query in draw.queries],
        "origin": np.array([query.origin for query in draw.queries], dtype=np.int8),
        "misspelt": np.array([query.misspelt for query in draw.queries]),
        "overlap": np.concatenate(overlaps),
    }
    write_texts(stage.directory, (draw.sources.products[row] for row in np.flatnonzero(used).tolist()), queries)
    write_pairs(stage.directory, _columns(draw, (np.cumsum(used) - 1).astype(np.int32)), pairs)
    sizes = {"pairs": pairs, "queries": len(draw.queries), "products": int(used.sum())}
    pool = open_pool(stage, {**sizes, "catalogue": len(used)})
    write_pool_report(pool, None, stage.directory / REPORT)
    stage.finish({**manifest_of(pool), "sha256": digests(stage.directory)})


def _finished(draw: Draw) -> Iterator[Block]:
    for number, rows in enumerate(_blocks(draw)):
        block = draw.store.load_block(number, len(rows))
        assert block is not None, "every block has just been drawn"
        yield block


def _columns(draw: Draw, renumbered: npt.NDArray[np.int32]) -> Iterator[PairColumns]:
    first = 0
    for block in _finished(draw):
        queries = np.repeat(np.arange(first, first + len(block.sizes), dtype=np.int32), block.sizes)
        yield PairColumns(queries, renumbered[block.product], block.cosine, block.source)
        first += len(block.sizes)
