"""Labelling the pool: teacher logits for every pair, shard by shard, so that a killed run goes on where it was."""

from __future__ import annotations

from training.config import LabellingSettings
from training.labels.block import label_shard
from training.labels.ray import label_with_ray
from training.labels.shards import join_shards, missing_shards, plan_shards
from training.models.cross_encoder import Progress
from training.pool import Pool
from training.run_directory import Stage
from training.teacher import Teacher

DEFAULTS = LabellingSettings()


def label_pool(
    teacher: Teacher,
    pool: Pool,
    stage: Stage,
    progress: Progress | None = None,
    settings: LabellingSettings = DEFAULTS,
) -> None:
    """Label the shards that are not there yet with the engine of `settings`; the manifest comes last.

    `progress` is first told of all pairs that were labelled before, in one call, so that they are not taken for
    speed. The Ray engine reads teacher and pool from the run directory that `stage` belongs to, not from memory.
    """
    shards = plan_shards(stage, len(pool), settings.pairs_per_shard)
    missing = missing_shards(stage, shards)
    report = progress or (lambda pairs: None)
    report(len(pool) - sum(map(len, missing)))
    if missing and settings.engine == "ray":
        label_with_ray(stage, missing, settings, report)
    else:
        for shard in missing:
            label_shard(teacher, pool, stage, shard, report)
    stage.finish(
        {
            "pairs": len(pool),
            "shards": len(shards),
            "pairs_per_shard": len(shards[0]) if shards else settings.pairs_per_shard,
            "sha256": join_shards(stage, shards),
        }
    )
