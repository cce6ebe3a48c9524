"""The soft labels: the teacher's logit for every pair of the pool, shard by shard.

labelling.py   label_pool: the shards that are missing, by the engine that the settings name
block.py       one shard: a pure function of the teacher and some rows, which every engine calls
ray.py         the engine for several processes, GPUs or machines: Ray Data
shards.py      their files: Parquet while labelling runs, one memory-mapped array once it is done
"""

from training.labels.labelling import label_pool
from training.labels.shards import load_labels

__all__ = ["label_pool", "load_labels"]
