"""What the last layer for [CLS] alone saves: two graphs side by side, interleaved, in one process.

`python -m docs.scripts.last_layer_speed` exports cross-encoders of 6, 3 and 2 layers from the packaged encoder, fused
with and without the rewrite, in fp32 and int8. `--graphs BEFORE.onnx AFTER.onnx` compares two that are there. A line of
JSON each: medians in ms, and the median of the rounds' ratios, before over after. Pairs are of random tokens, unpadded,
or of `--shortest` to `--tokens`, padded to the longest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from docs.scripts.labelling_throughput import interleaved
from export.graph import Heads, export_fp32, fuse, fuse_cross_encoder, to_int8
from export.range_feeds import Feed, pair_feeds
from export.sessions import cpu_session
from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.pair_encoding import EncodedPair, pad_pairs
from training.models.backbone import load_cross_encoder
from training.student import student_from

LAYERS = ((0, 1, 2, 3, 4, 5), (0, 2, 5), (0, 5))
PAIRS = (8, 32)
WORDS = (1000, 30000)
"""Ids of whole words in the packaged tokenizer."""

Graphs = tuple[Path, Path]
"""Before and after."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    for name, default in (("--threads", 2), ("--rounds", 21), ("--tokens", 32)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--shortest", type=int, help="tokens of the shortest pair; all are of --tokens, if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        named = [("given", tuple(options.graphs))] if options.graphs else built(Path(scratch))
        for name, graphs in named:
            for pairs in PAIRS:
                feed = random_feed(pairs, options.shortest or options.tokens, options.tokens)
                figures = compared(graphs, feed, options.threads, options.rounds)
                print(json.dumps({"graph": name, "pairs": pairs, **figures}), flush=True)


def built(directory: Path) -> Iterator[tuple[str, Graphs]]:
    """The graphs of every depth and precision, exported as they are needed."""
    for layers in LAYERS:
        checkpoint, raw = directory / "checkpoint", directory / "raw.onnx"
        model = student_from(load_cross_encoder(), layers)
        model.save_pretrained(checkpoint)
        export_fp32(checkpoint, raw)
        heads = Heads(model.config.num_attention_heads, model.config.hidden_size)
        exact = (directory / "before.onnx", directory / "after.onnx")
        for fused, target in zip((fuse, fuse_cross_encoder), exact, strict=True):
            fused(raw, target, heads)
        yield f"{len(layers)} layers, fp32", exact
        lowered = (directory / "before.int8.onnx", directory / "after.int8.onnx")
        for source, target in zip(exact, lowered, strict=True):
            to_int8(source, target, pair_feeds(random_pairs([32] * 64)))
        yield f"{len(layers)} layers, int8", lowered


def random_pairs(lengths: Iterable[int]) -> list[EncodedPair]:
    """Pairs of random words, the first third of them the query."""
    rng = np.random.default_rng(0)
    return [
        EncodedPair(
            tuple(map(int, rng.integers(*WORDS, size=length))), (0,) * (length // 3) + (1,) * (length - length // 3)
        )
        for length in lengths
    ]


def random_feed(pairs: int, shortest: int, longest: int) -> Feed:
    """So many pairs as one batch, of lengths spread between these two."""
    lengths = np.linspace(shortest, longest, pairs).round().astype(int)
    batch = pad_pairs(random_pairs(map(int, lengths)), pad_id=0)
    return {name: getattr(batch, name) for name in INPUTS}


def compared(graphs: Graphs, feed: Feed, threads: int, rounds: int) -> dict[str, float]:
    """Milliseconds of either graph, and their ratio."""
    ways = {}
    for name, path in zip(("before", "after"), graphs, strict=True):
        session = cpu_session(path, threads)
        ways[name] = lambda session=session: session.run([OUTPUT], dict(feed))
        ways[name]()
    seconds = interleaved(ways, rounds)
    ratios = [before / after for before, after in zip(seconds["before"], seconds["after"], strict=True)]
    milliseconds = {f"{name}_ms": round(1000 * median(taken), 2) for name, taken in seconds.items()}
    return {**milliseconds, "ratio": round(median(ratios), 3)}


if __name__ == "__main__":
    main()
