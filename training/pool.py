"""The pool: unlabelled (query, product) pairs, far more than the judged ones, for the teacher to label.

Queries come from the judged training queries, the dataset's log, phrases of its catalogue, external
query logs and the synthetic catalogue's log. Each query gets candidates stratified by rank from BM25
and the bi-encoder, and random ones: a teacher's margins only teach where products differ.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from relevance.product import Product
from training.bi_encoder import BiEncoder, Progress
from training.checks import general_check
from training.composers import compose_products, compose_queries
from training.config import DistillSettings
from training.datasets.query_log import read_query_log
from training.datasets.rows import read_jsonl
from training.datasets.schema import Dataset, LoggedQuery
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import RunDirectoryError
from training.retrievers import Bm25, dense_top
from training.run_directory import Stage
from training.splits import Split, check_leakage, without_held_out

COMPOSED_QUERIES_PER_JUDGED = 20
SMALLEST_WEIGHT = 1e-9
"""A weight of zero means last, not never."""
LARGEST_JUDGED_GROUP = 32
"""A query with more judged products is cut into several groups, to keep batches of one size."""
RANDOM_SHARE = 0.3
"""Share of a query's candidates drawn at random: enough to teach what is plainly irrelevant."""


@dataclass(frozen=True, slots=True)
class PoolSources:
    """Where the pool is drawn from: the shop's own queries, general ones, and one catalogue for both.

    `judged` holds the training queries' judged products as rows of `products`: the pool's first part.
    """

    own_queries: Sequence[LoggedQuery]
    general_queries: Sequence[LoggedQuery]
    products: Sequence[Product]
    judged: Sequence[tuple[str, Sequence[int]]]


@dataclass(frozen=True, slots=True)
class Pool:
    """`query_of` and `product_of` (n,) index `queries` and `products`; a query's pairs are contiguous.

    `cosine` (n,) is the bi-encoder's, which retrieval computes anyway. `human` (n,) holds people's soft
    targets, nan for unjudged pairs, where training asks for them (student.with_human_targets).
    """

    queries: Sequence[str]
    products: Sequence[Product]
    query_of: npt.NDArray[np.int64]
    product_of: npt.NDArray[np.int64]
    cosine: npt.NDArray[np.float32]
    human: npt.NDArray[np.float32] | None = None
    groups: list[slice] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = np.flatnonzero(np.diff(self.query_of, prepend=-1))
        ends = [*starts[1:].tolist(), len(self.query_of)]
        object.__setattr__(self, "groups", [slice(a, b) for a, b in zip(starts.tolist(), ends, strict=True)])

    def __len__(self) -> int:
        return len(self.query_of)


def untouchable(split: Split) -> list[str]:
    """Queries that nothing may learn from: the held-out ones and those of the general check."""
    return [*split.held_out.by_query(), *general_check().by_query()]


def gather_sources(settings: DistillSettings, split: Split) -> PoolSources:
    """Collect queries and products; nothing held out, nor any near-duplicate of it, gets in."""
    rng = random.Random(settings.seed)
    held_out = untouchable(split)
    own_products = list(split.train.products.values())
    judged = list(split.train.by_query())
    composed_queries = compose_queries(own_products, COMPOSED_QUERIES_PER_JUDGED * len(judged), rng)
    own = [*map(LoggedQuery, judged), *split.train.query_log, *map(LoggedQuery, composed_queries)]
    logged = [query for path in settings.query_logs for query in read_query_log(path)]
    general_catalogue = build_synthetic(
        # Another seed than the judged synthetic dataset's: its products and queries stay unseen.
        settings.seed + 1,
        SyntheticSize(
            products=settings.pool.synthetic_products, queries=0, log_queries=settings.pool.synthetic_queries
        ),
    )
    composed = compose_products(
        without_held_out((query.text for query in logged), held_out), settings.pool.composed_per_query, rng
    )
    sources = PoolSources(
        own_queries=_allowed(own, held_out),
        general_queries=_allowed([*logged, *general_catalogue.query_log], held_out),
        products=[*own_products, *general_catalogue.products.values(), *composed],
        judged=_judged_rows(split.train),
    )
    check_leakage((query.text for query in (*sources.own_queries, *sources.general_queries)), held_out)
    return sources


def draw_pool(
    sources: PoolSources, settings: DistillSettings, encoder: BiEncoder, progress: Progress | None = None
) -> Pool:
    """The judged pairs and `settings.pool.pairs` more; a query that is drawn again gets other candidates.

    Only products that some pair needs are kept. `progress` gets the number of texts encoded in each batch.
    """
    plan = settings.pool
    drawn = _draw_queries(sources, math.ceil(plan.pairs / plan.candidates_per_query), settings)
    queries = [*(query for query, _ in sources.judged), *drawn]
    distinct = list(dict.fromkeys(queries))
    row_of = {query: row for row, query in enumerate(distinct)}
    lexical = Bm25([product.title for product in sources.products]).top(distinct, plan.retrieval_depth)
    query_vectors = encoder.encode(distinct)
    product_vectors = encoder.encode_products(sources.products, progress)
    dense = dense_top(query_vectors, product_vectors, plan.retrieval_depth)
    rng = np.random.default_rng(settings.seed)
    query_of: list[int] = []
    product_of: list[int] = []
    cosine: list[npt.NDArray[np.float32]] = []
    for number, query in enumerate(queries):
        row = row_of[query]
        if number < len(sources.judged):
            rows = list(sources.judged[number][1])
        else:
            rows = _candidates(lexical[row], dense[row], len(sources.products), plan.candidates_per_query, rng)
        query_of += [number] * len(rows)
        product_of += rows
        cosine.append(product_vectors[rows] @ query_vectors[row])
    used, renumbered = np.unique(product_of, return_inverse=True)
    products = [sources.products[row] for row in used]
    return Pool(queries, products, np.array(query_of), renumbered, np.concatenate(cosine))


def save_pool(pool: Pool, stage: Stage) -> None:
    """Write the pool's queries, products and pairs, then the stage's manifest."""
    products = "".join(product.model_dump_json(exclude_defaults=True) + "\n" for product in pool.products)
    (stage.directory / "products.jsonl").write_text(products, encoding="utf-8")
    pq.write_table(pa.table({"query": list(pool.queries)}), stage.directory / "queries.parquet")
    columns = {"query": pool.query_of.astype(np.int32), "product": pool.product_of.astype(np.int32)}
    pairs = pa.table({**columns, "cosine": pool.cosine})
    pq.write_table(pairs, stage.directory / "pairs.parquet")
    stage.finish({"pairs": len(pool), "queries": len(pool.queries), "products": len(pool.products)})


def load_pool(stage: Stage) -> Pool:
    """Read a finished pool; RunDirectoryError if its files do not match its manifest."""
    directory: Path = stage.directory
    products = [Product.model_validate(row) for _, row in read_jsonl(directory / "products.jsonl")]
    queries = pq.read_table(directory / "queries.parquet")["query"].to_pylist()
    pairs = pq.read_table(directory / "pairs.parquet")
    manifest = stage.manifest()
    if (len(pairs), len(queries), len(products)) != tuple(manifest[key] for key in ("pairs", "queries", "products")):
        raise RunDirectoryError(f"{directory} does not hold what its manifest says; delete it to draw the pool again")
    query_of, product_of = (pairs[name].to_numpy().astype(np.int64) for name in ("query", "product"))
    return Pool(queries, products, query_of, product_of, pairs["cosine"].to_numpy())


def _allowed(queries: Iterable[LoggedQuery], held_out: Collection[str]) -> list[LoggedQuery]:
    """Each query text once, with the sum of its weights, without the held-out ones and their near-duplicates."""
    weights: dict[str, float] = defaultdict(float)
    for query in queries:
        weights[query.text] += query.weight
    return [LoggedQuery(text, weights[text]) for text in without_held_out(weights, held_out)]


def _judged_rows(train: Dataset) -> list[tuple[str, list[int]]]:
    row_of = {product_id: row for row, product_id in enumerate(train.products)}
    return [
        (query, [row_of[judgement.product_id] for judgement in group[start : start + LARGEST_JUDGED_GROUP]])
        for query, group in train.by_query().items()
        for start in range(0, len(group), LARGEST_JUDGED_GROUP)
    ]


def _draw_queries(sources: PoolSources, count: int, settings: DistillSettings) -> list[str]:
    """`count` queries, `own_share` of them the shop's; a short list is gone through several times.

    Within one going through, a query comes the earlier the greater its weight, by chance: a long list that
    is cut keeps the frequent queries more often.
    """
    rng = random.Random(settings.seed)
    own = round(count * settings.pool.own_share) if sources.general_queries else count
    return _cycled(sources.own_queries, own, rng) + _cycled(sources.general_queries, count - own, rng)


def _cycled(queries: Sequence[LoggedQuery], count: int, rng: random.Random) -> list[str]:
    drawn: list[str] = []
    while queries and len(drawn) < count:
        # Weighted sampling without replacement (Efraimidis & Spirakis 2006): order by u^(1/w), here in logs.
        order = sorted(queries, key=lambda query: rng.expovariate(1.0) / max(query.weight, SMALLEST_WEIGHT))
        drawn += [query.text for query in order]
    return drawn[:count]


def _candidates(
    lexical: npt.NDArray[np.int64], dense: npt.NDArray[np.int64], products: int, count: int, rng: np.random.Generator
) -> list[int]:
    """`count` distinct product rows: half of the retrieved ones from each retriever, then random ones."""
    retrieved = round(count * (1.0 - RANDOM_SHARE) / 2.0)
    chosen = dict.fromkeys(stratified(lexical, retrieved, rng) + stratified(dense, retrieved, rng))
    # Twice what is missing: duplicates fall out, and one draw is then nearly always enough.
    fill = rng.integers(0, products, size=2 * count)
    chosen.update(dict.fromkeys(fill.tolist()))
    return [int(row) for row in list(chosen)[:count]]


def stratified(ranked: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> list[int]:
    """`count` of the `ranked` rows (best first), one from each stratum; strata widen with the rank.

    The top of a ranking is where margins are small and matter, so half of the strata lie in its first quarter.
    """
    edges = np.unique(np.round(len(ranked) * np.linspace(0.0, 1.0, count + 1) ** 2).astype(int))
    return [int(ranked[rng.integers(low, high)]) for low, high in pairwise(edges)]
