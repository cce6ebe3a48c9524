"""Labelling the pool: teacher logits for every pair, in Parquet shards that a killed run takes up again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from training.cross_encoder import Logits
from training.errors import DivergenceError, RunDirectoryError
from training.pool import Pool
from training.run_directory import Stage
from training.teacher import Teacher

PAIRS_PER_SHARD = 8192

Progress = Callable[[int], None]


def label_pool(teacher: Teacher, pool: Pool, stage: Stage, progress: Progress | None = None) -> None:
    """Write one shard after another, skipping those already there; the manifest comes last."""
    starts = range(0, len(pool), PAIRS_PER_SHARD)
    for number, start in enumerate(starts):
        rows = slice(start, min(start + PAIRS_PER_SHARD, len(pool)))
        path = shard_path(stage, number)
        if path.exists():
            _read_shard(path, rows)
            if progress:
                progress(rows.stop - rows.start)
            continue
        _write_shard(path, rows, _label(teacher, pool, rows, progress))
    stage.finish({"pairs": len(pool), "shards": len(starts), "pairs_per_shard": PAIRS_PER_SHARD})


def load_labels(stage: Stage) -> Logits:
    """Teacher logits (n,) of the whole pool; RunDirectoryError names a damaged shard."""
    manifest = stage.manifest()
    size = manifest["pairs_per_shard"]
    bounds = (slice(k * size, min((k + 1) * size, manifest["pairs"])) for k in range(manifest["shards"]))
    return np.concatenate([_read_shard(shard_path(stage, number), rows) for number, rows in enumerate(bounds)])


def shard_path(stage: Stage, number: int) -> Path:
    """File of a shard."""
    return stage.directory / f"logits-{number:05d}.parquet"


def _label(teacher: Teacher, pool: Pool, rows: slice, progress: Progress | None) -> Logits:
    queries = [pool.queries[row] for row in pool.query_of[rows]]
    products = [pool.products[row] for row in pool.product_of[rows]]
    logits = teacher.score_pairs(queries, products, pool.cosine[rows], progress)
    if not np.isfinite(logits).all():
        first = rows.start + int(np.flatnonzero(~np.isfinite(logits))[0])
        raise DivergenceError(f"the teacher's logit of pool pair {first} is not finite; train the teacher again")
    return logits


def _write_shard(path: Path, rows: slice, logits: Logits) -> None:
    partial = path.with_suffix(".partial")
    pair = np.arange(rows.start, rows.stop, dtype=np.int64)
    pq.write_table(pa.table({"pair": pair, "logit": logits}), partial)
    partial.replace(path)


def _read_shard(path: Path, rows: slice) -> Logits:
    try:
        table = pq.read_table(path)
        pair: npt.NDArray[np.int64] = table["pair"].to_numpy()
        logits: Logits = table["logit"].to_numpy()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise RunDirectoryError(f"{path} is damaged ({error}); delete it to label its pairs again") from error
    if not np.array_equal(pair, np.arange(rows.start, rows.stop)):
        raise RunDirectoryError(f"{path} does not hold pairs {rows.start} to {rows.stop}; delete it to redo them")
    return logits
