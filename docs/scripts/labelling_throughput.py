"""What labelling costs over the teacher's forward pass: pairs per second of both, side by side, as one JSON line.

`python -m docs.scripts.labelling_throughput` labels the same synthetic pairs with the packaged teacher in two
ways, in interleaved rounds: `label_pool` into an empty folder (texts to verified shards), and the bare forward pass
over batches that were encoded, sorted by length and padded beforehand. `ratio` is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relevance.calibration import Calibration
from training.config import TEACHER_TEMPLATE
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.labels import label_pool
from training.models.backbone import load_cross_encoder, load_pair_encoder
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import TOKENS_PER_BATCH
from training.models.pair_rule import EncoderInput
from training.optimise.batches import Batch, PairGroup, collate
from training.optimise.scorers import CrossEncoder, forward
from training.pool import Pool
from training.run_directory import Stage
from training.teacher import Member, Teacher

PER_QUERY = 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pool, teacher = synthetic_pool(options.pairs), packaged_teacher()
    batches = sorted_batches(teacher, pool)
    ways: dict[str, Callable[[], None]] = {
        "label_pool": lambda: label(teacher, pool),
        "forward": lambda: drive(teacher, batches),
    }
    drive(teacher, batches[:2])
    seconds = interleaved(ways, options.rounds)
    rounds = zip(seconds["forward"], seconds["label_pool"], strict=True)
    speed = {name: round(len(pool) / statistics.median(taken), 1) for name, taken in seconds.items()}
    ratio = round(statistics.median(bare / whole for bare, whole in rounds), 3)
    print(json.dumps({**vars(options), "device": str(_model(teacher).device), "pairs_per_s": speed, "ratio": ratio}))


def interleaved(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; every other round goes the other way about."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in sorted(ways, reverse=bool(number % 2)):
            start = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def synthetic_pool(pairs: int) -> Pool:
    """Random candidates of the embedded catalogue for queries of its log; made-up cosines."""
    queries = -(-pairs // PER_QUERY)
    catalogue = build_synthetic(1, SyntheticSize(products=2 * queries + 1300, queries=0, log_queries=queries))
    products = list(catalogue.products.values())
    rng = np.random.default_rng(0)
    texts = [query.text for query in catalogue.query_log]
    query_of = np.arange(pairs) // PER_QUERY % len(texts)
    return Pool(texts, products, query_of, rng.integers(0, len(products), pairs), rng.random(pairs, dtype=np.float32))


def packaged_teacher() -> Teacher:
    """The packaged cross-encoder with an untrained head: it costs what a trained one costs."""
    member = Member(load_cross_encoder(), EncoderInput(load_pair_encoder(TEACHER_TEMPLATE)))
    return Teacher([member], BiEncoder(), Calibration(scale=8.0, bias=-3.0), 0.5)


def _model(teacher: Teacher) -> CrossEncoder:
    return teacher.members[0].model


def sorted_batches(teacher: Teacher, pool: Pool) -> list[Batch]:
    """All pairs as the teacher scores them: by falling length, cut at its token budget, padded."""
    rule = teacher.members[0].rule
    queries, products = [pool.queries[q] for q in pool.query_of], [pool.products[p] for p in pool.product_of]
    pairs = sorted(rule.encode(queries, products), key=len, reverse=True)
    batches = []
    while pairs:
        count = max(1, TOKENS_PER_BATCH // len(pairs[0]))
        batches.append(collate([PairGroup(pairs[:count], np.zeros(count, dtype=np.float32))], rule.pad_id))
        del pairs[:count]
    return batches


@torch.inference_mode()
def drive(teacher: Teacher, batches: list[Batch]) -> None:
    """The forward pass alone, down to the logits in this process's memory."""
    model = _model(teacher)
    model.train(False)
    for batch in batches:
        forward(model, batch).cpu()


def label(teacher: Teacher, pool: Pool) -> None:
    """Everything that labelling does, into a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        label_pool(teacher, pool, Stage(Path(folder)))


if __name__ == "__main__":
    main()
