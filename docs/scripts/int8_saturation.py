"""How far int8 logits lie from the exact ones where products of integers may saturate, and what exactness costs.

`python -m docs.scripts.int8_saturation --bundle models/cross-encoder` scores the general check's pairs with the
kernel that ONNX Runtime chooses by itself and with the one that it takes when it is asked for exact products, in
turn. With VNNI the first one is exact, too, and Aisle does not ask: what is printed is what asking would cost there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime

from export.split_runner import Logits, SplitRunner
from relevance.bundle import SPLIT_PARTS, Bundle, load_bundle
from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.integer_products import SLOWER_KERNEL
from relevance.pair_encoding import pad_pairs
from relevance.ranking_metrics import soft_target_ndcg
from training.checks import general_check
from training.finish import judged_lists
from training.student.split_export import split_lists

ROUNDS = 5
OpenGraph = Callable[[Path], onnxruntime.InferenceSession]
Scored = list[Logits]


def as_chosen(graph: Path) -> onnxruntime.InferenceSession:
    """The graph as ONNX Runtime opens it by itself."""
    return onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])


def when_asked(graph: Path) -> onnxruntime.InferenceSession:
    """The graph as ONNX Runtime opens it when it is asked for exact products."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(*SLOWER_KERNEL)
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def cross_encoder(bundle: Bundle, open_graph: OpenGraph) -> Callable[[], Scored]:
    """Scores the check's lists, one after another."""
    session, rule = open_graph(bundle.graph_path("int8")), bundle.pair_encoder()
    batches = [pad_pairs(judged.pairs, rule.pad_id) for judged in judged_lists(general_check(), rule)]
    feeds = [{name: getattr(batch, name) for name in INPUTS} for batch in batches]
    return lambda: [np.asarray(session.run([OUTPUT], feed)[0], np.float64).reshape(-1) for feed in feeds]


def split_student(bundle: Bundle, open_graph: OpenGraph) -> Callable[[], Scored]:
    """Scores the check's lists with all three graphs; a product is encoded the first time only."""
    rule = bundle.pair_encoder()
    files = {part: bundle.split_path("int8", part) for part in SPLIT_PARTS}
    runner, lists = SplitRunner(files, rule.pad_id, open_graph), split_lists(general_check(), rule)
    return lambda: [runner.logits(judged) for judged in lists]


def timed(score: Callable[[], Scored]) -> float:
    """Seconds of one pass."""
    started = time.perf_counter()
    score()
    return time.perf_counter() - started


def quality(scored: Scored, targets: Sequence[np.ndarray]) -> float:
    """Mean nDCG@10 over the lists."""
    return float(np.mean([soft_target_ndcg(wanted, own, 10) for wanted, own in zip(targets, scored, strict=True)]))


def main() -> None:
    """Print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/cross-encoder"))
    bundle = load_bundle(parser.parse_args().bundle)
    kind = split_student if bundle.manifest.split else cross_encoder
    chosen, exact = kind(bundle, as_chosen), kind(bundle, when_asked)
    targets = [judged.targets for judged in judged_lists(general_check(), bundle.pair_encoder())]
    own, wanted = chosen(), exact()
    apart = np.abs(np.concatenate(own) - np.concatenate(wanted))
    times = [(timed(exact), timed(chosen)) for _ in range(ROUNDS)]
    print(
        json.dumps(
            {
                "pairs": apart.size,
                "largest": round(float(apart.max()), 4),
                "mean": round(float(apart.mean()), 4),
                "ndcg@10 exact": round(quality(wanted, targets), 4),
                "ndcg@10 as chosen": round(quality(own, targets), 4),
                "time of exact to chosen": round(median(a / b for a, b in times), 3),
                "rounds": ROUNDS,
            }
        )
    )


if __name__ == "__main__":
    main()
