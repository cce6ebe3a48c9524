"""What attention in fp32 saves of a training step on a CPU that computes in bf16, as one JSON line.

`python -m docs.scripts.attention_gradient` runs forward and backward of the packaged encoder on batches of random
tokens, in interleaved rounds: all of it in bf16 (`autocast`), and with attention in fp32 (`mixed_precision`, training's
own). For each length: median milliseconds of both, the median of the rounds' ratios, how far each gradient is from that
of fp32, relative to its norm, and the milliseconds of one layer's attention kernel alone, backward, in bf16 and fp32.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertForSequenceClassification

from docs.scripts.labelling_throughput import interleaved
from relevance.pair_encoding import EncodedPair
from training.models.backbone import load_cross_encoder
from training.optimise import scorers
from training.optimise.batches import Batch, PairGroup, collate
from training.optimise.precision import autocast, has_bf16, mixed_precision
from training.optimise.scorers import forward

Precision = Callable[[torch.device], AbstractContextManager[Any]]
WAYS: Mapping[str, Precision] = {"bf16": autocast, "attention in fp32": mixed_precision}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[24, 32, 64, 96, 128])
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_cross_encoder()
    model.train()
    lengths = {tokens: measured(model, batch_of(options.pairs, tokens), options.rounds) for tokens in options.tokens}
    print(json.dumps({**vars(options), "has_bf16": has_bf16(model.device), "lengths": lengths}))


def batch_of(pairs: int, tokens: int) -> Batch:
    """One query's pairs of random tokens, all of one length."""
    torch.manual_seed(0)
    ids = torch.randint(1000, 30000, (pairs, tokens)).tolist()
    encoded = [EncodedPair(tuple(row), (0,) * tokens) for row in ids]
    return collate([PairGroup(encoded, torch.zeros(pairs).numpy(), torch.full((pairs,), torch.nan).numpy())], 0)


def measured(model: BertForSequenceClassification, batch: Batch, rounds: int) -> dict[str, Any]:
    """Times and distances of both ways on one batch."""
    exact = gradient(model, batch, lambda device: nullcontext())
    distances = {way: float((gradient(model, batch, p) - exact).norm() / exact.norm()) for way, p in WAYS.items()}
    runs = {way: (lambda p=precision: gradient(model, batch, p)) for way, precision in WAYS.items()}
    seconds = interleaved(runs, rounds)
    first, second = WAYS
    return {
        "milliseconds": {way: round(1000 * statistics.median(taken), 1) for way, taken in seconds.items()},
        "ratio": round(statistics.median(a / b for a, b in zip(seconds[first], seconds[second], strict=True)), 2),
        "distance_to_fp32": {way: float(f"{distance:.2g}") for way, distance in distances.items()},
        "kernel_backward_ms": kernel_backward(model, batch, rounds),
    }


def kernel_backward(model: BertForSequenceClassification, batch: Batch, rounds: int) -> dict[str, float]:
    """Median milliseconds of the gradient of one layer's attention over the batch, by type."""
    pairs, tokens = batch.input_ids.shape
    heads = model.config.num_attention_heads
    shape = (pairs, heads, tokens, model.config.hidden_size // heads)
    runs: dict[str, Callable[[], Any]] = {}
    for kind in (torch.bfloat16, torch.float32):
        query, key, value = (torch.randn(shape, dtype=kind, requires_grad=True) for _ in range(3))
        mask = torch.zeros(pairs, 1, tokens, tokens, dtype=kind)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        runs[str(kind).removeprefix("torch.")] = partial(
            torch.autograd.grad, attended, (query, key, value), torch.ones_like(attended), retain_graph=True
        )
    seconds = interleaved(runs, rounds)
    return {kind: round(1000 * statistics.median(taken), 1) for kind, taken in seconds.items()}


def gradient(model: BertForSequenceClassification, batch: Batch, precision: Precision) -> torch.Tensor:
    """The weights' gradient as one vector, of the sum of the squared logits."""
    model.zero_grad(set_to_none=True)
    with patch.object(scorers, "mixed_precision", precision):
        forward(model, batch).square().sum().backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


if __name__ == "__main__":
    main()
