"""Drawing the pool block by block: queries → retrieval → candidates → files. Pairs are never all in memory.

Each query has its own generator, from the seed and the query's number, so it does not matter where a killed
draw was taken up, nor how large blocks are (but for products whose cosines differ by rounding alone).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from relevance.product import Product
from training.candidates import Retrieved, choose_candidates, overlap, slots_of
from training.categories import Categories
from training.config import DistillSettings
from training.errors import DataError
from training.pool import Origin, Source, manifest_of, open_pool
from training.pool_blocks import Block, BlockStore
from training.pool_files import PairColumns, write_pairs, write_texts
from training.pool_queries import DrawnQuery, PoolSources, draw_queries
from training.pool_report import write_pool_report
from training.retrievers import Bm25, Vectors, dense_top
from training.run_directory import Stage

QUERIES_PER_BLOCK = 1024
PRODUCTS_PER_FILE = 2048
REPORT = "report.md"

Progress = Callable[[int], None]
Bar = Callable[[str, int], AbstractContextManager[Progress]]
"""Makes a progress bar from a title and a total, like `training.progress.progress_bar`."""


class TextEncoder(Protocol):
    """What the draw needs of `training.bi_encoder.BiEncoder`; rows are comparable by dot product."""

    def encode(self, texts: Sequence[str], /) -> Vectors: ...

    def encode_products(self, products: Sequence[Product], /) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class _Draw:
    """Everything that a block needs: the plan (judged groups first) and the retrievers."""

    sources: PoolSources
    queries: Sequence[DrawnQuery]
    settings: DistillSettings
    encoder: TextEncoder
    store: BlockStore


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
    store = BlockStore(stage.directory / "drawing", _digest(sources, queries, settings))
    draw = _Draw(sources, queries, settings, encoder, store)
    _draw_blocks(draw, bar)
    _finish(draw, stage)
    store.remove()


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


def _draw_blocks(draw: _Draw, bar: Bar) -> None:
    """Draw every block that is not there yet."""
    missing = [place for place in enumerate(_blocks(draw)) if draw.store.load_block(place[0], len(place[1])) is None]
    if not missing:
        return
    products = draw.sources.products
    with bar("pool: encoding", len(products)) as progress:
        vectors = _encode_catalogue(draw, progress)
    chooser = _Chooser(draw, vectors)
    with bar("pool: drawing", len(draw.queries)) as progress:
        progress(len(draw.queries) - sum(len(rows) for _, rows in missing))
        for number, rows in missing:
            draw.store.save_block(number, chooser.block(rows))
            progress(len(rows))


def _blocks(draw: _Draw) -> list[range]:
    count = len(draw.queries)
    return [range(start, min(start + QUERIES_PER_BLOCK, count)) for start in range(0, count, QUERIES_PER_BLOCK)]


def _encode_catalogue(draw: _Draw, progress: Progress) -> Vectors:
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


class _Chooser:
    """Retrieves and chooses the candidates of a block's queries."""

    def __init__(self, draw: _Draw, vectors: Vectors) -> None:
        self._draw, self._vectors = draw, vectors
        products = draw.sources.products
        self._bm25 = Bm25([product.title for product in products])
        self._categories = Categories(products, vectors, draw.settings.seed)
        self._slots = slots_of(draw.settings.pool)

    def block(self, rows: range) -> Block:
        """The pairs of queries `rows`; each distinct text is encoded and retrieved for once."""
        texts = list(dict.fromkeys(self._draw.queries[row].text for row in rows))
        at = {text: place for place, text in enumerate(texts)}
        query_vectors = self._draw.encoder.encode(texts)
        retrieved = self._retrieve(texts, query_vectors)
        places = [at[self._draw.queries[row].text] for row in rows]
        products: list[list[int]] = []
        sources: list[Source] = []
        cosines: list[npt.NDArray[np.float32]] = []
        for row, place in zip(rows, places, strict=True):
            candidates, why = self._candidates(row, retrieved[place])
            products.append(candidates)
            sources += why
            cosines.append(self._vectors[candidates] @ query_vectors[place])
        return Block(
            sizes=np.array([len(candidates) for candidates in products], dtype=np.int32),
            product=np.array([product for candidates in products for product in candidates], dtype=np.int32),
            cosine=np.concatenate(cosines).astype(np.float32),
            source=np.array(sources, dtype=np.int8),
            overlap=self._overlaps(rows, [retrieved[place] for place in places]),
        )

    def _retrieve(self, texts: Sequence[str], query_vectors: Vectors) -> list[Retrieved]:
        depth = self._draw.settings.pool.retrieval_depth
        lexical, dense = self._bm25.matches(texts, depth), dense_top(query_vectors, self._vectors, depth)
        return [Retrieved(a, b, self._categories.of(int(b[0]))) for a, b in zip(lexical, dense, strict=True)]

    def _candidates(self, row: int, retrieved: Retrieved) -> tuple[list[int], list[Source]]:
        """The product rows of query `row`, and why each is one; judged ones just as they were judged."""
        judged = self._draw.sources.judged
        if row < len(judged):
            products = list(judged[row][1])
            return products, [Source.JUDGED] * len(products)
        rng = np.random.default_rng((self._draw.settings.seed, row))
        chosen = choose_candidates(retrieved, self._slots, len(self._vectors), rng)
        return list(chosen), list(chosen.values())

    def _overlaps(self, rows: range, retrieved: Sequence[Retrieved]) -> npt.NDArray[np.float32]:
        judged = len(self._draw.sources.judged)
        pairs = zip(rows, retrieved, strict=True)
        values = [np.nan if row < judged else overlap(found.lexical, found.dense) for row, found in pairs]
        return np.array(values, dtype=np.float32)


def _finish(draw: _Draw, stage: Stage) -> None:
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
    stage.finish(manifest_of(pool))


def _finished(draw: _Draw) -> Iterator[Block]:
    for number, rows in enumerate(_blocks(draw)):
        block = draw.store.load_block(number, len(rows))
        assert block is not None, "every block has just been drawn"
        yield block


def _columns(draw: _Draw, renumbered: npt.NDArray[np.int32]) -> Iterator[PairColumns]:
    first = 0
    for block in _finished(draw):
        queries = np.repeat(np.arange(first, first + len(block.sizes), dtype=np.int32), block.sizes)
        yield PairColumns(queries, renumbered[block.product], block.cosine, block.source)
        first += len(block.sizes)
