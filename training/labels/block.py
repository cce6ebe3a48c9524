"""One shard's worth of labels: a pure function of the teacher and some pool rows, which every engine calls."""

from __future__ import annotations

import numpy as np

from training.errors import DivergenceError
from training.labels.shards import Shard, shard_path, write_shard
from training.models.cross_encoder import Logits, Progress
from training.pool import Pool
from training.run_directory import Stage
from training.teacher import Teacher


def label_block(teacher: Teacher, pool: Pool, shard: Shard, progress: Progress | None = None) -> Logits:
    """Teacher logits (len(shard),) of the shard's pairs; DivergenceError names a pair without a finite one.

    Batches are cut inside the shard, so the same shard gives the same bits whichever engine labels it.
    """
    rows = slice(shard.start, shard.stop)
    queries = [pool.queries[row] for row in pool.query_of[rows]]
    products = [pool.products[row] for row in pool.product_of[rows]]
    logits = teacher.score_pairs(queries, products, np.asarray(pool.cosine[rows]), progress)
    wrong = np.flatnonzero(~np.isfinite(logits))
    if len(wrong):
        first = int(wrong[0])
        raise DivergenceError(
            f"the teacher's logit of pool pair {shard.start + first} is not finite "
            f"(query {queries[first]!r}, product {products[first].title!r}); train the teacher again"
        )
    return logits


def label_shard(teacher: Teacher, pool: Pool, stage: Stage, shard: Shard, progress: Progress | None = None) -> None:
    """Label a shard and write its file."""
    write_shard(shard_path(stage, shard.number), shard, label_block(teacher, pool, shard, progress))
