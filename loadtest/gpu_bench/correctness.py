"""Before anything is timed: graphs, service and torch compute what the fp32 graph computes on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loadtest.gpu_bench.arithmetic import Bucket
from loadtest.gpu_bench.graph import MIXED, DeviceGraph, feed_of
from loadtest.gpu_bench.models import Model
from loadtest.gpu_bench.plan import Device
from loadtest.raw_session import pairs_of
from loadtest.raw_split import RawSplit
from loadtest.workload import Body
from relevance.bundle import Bundle, Precision
from relevance.ranking_metrics import kendall_tau, soft_target_ndcg, ties_at_top

CUTOFF = 10
MOST_APART: dict[Precision, float] = {"fp32": 5e-3, "fp16": 5e-2, "int8": 1.5}
"""Largest difference of a logit to the fp32 graph's on the CPU: CUDA multiplies fp32 in TF32, the rest as exported."""
MOST_NDCG_LOST = {"fp32": 2e-3, "fp16": 2e-3, "int8": 2e-2}
PACKED_APART = MOST_APART["fp16"]
"""Of the packed graph's logits to the padded one's: other kernels, which round in other places."""
SPLIT_APART = 3e-2
"""Of a split student's score through HTTP to its graphs' on the CPU: fp16 may store a latent as the next step."""
SCORES_APART = 2e-3
"""Of a score through HTTP to the graph's own: batches differ, and fp16 rounds by them."""
TORCH_APART = 5e-2
"""Of torch's logits, also in fp16 on CUDA, to the graph's."""

Logits = npt.NDArray[np.float32]


class WrongModelError(RuntimeError):
    """What is to be timed computes something else than it should."""


def check_graph(model: Model, device: Device, bodies: Sequence[Body]) -> dict[str, float]:
    """The device's logits against those of the model's fp32 graph on the CPU; WrongModelError if they differ by more.

    `ndcg_lost` takes the fp32 scores as soft targets: what the top of a list loses, whatever the truth is.
    """
    assert model.exact is not None
    rule = model.bundle.pair_encoder()
    there, exact = DeviceGraph(model.graph, device), DeviceGraph(model.exact, "cpu")
    lists = [pairs_of(rule, body) for body in bodies]
    own, right = ([graph.logits(pairs, rule.pad_id) for pairs in lists] for graph in (there, exact))
    apart = float(np.abs(np.concatenate(own) - np.concatenate(right)).max())
    where = f"{model.name}, {model.precision} on {device}"
    # Written so that nan fails, and before anything that cannot rank it.
    if not apart <= MOST_APART[model.precision]:
        raise WrongModelError(f"{where}: a logit is wrong by {apart:.4g}")
    lost = float(np.mean([_ndcg_lost(model, a, b) for a, b in zip(own, right, strict=True)]))
    if not lost <= MOST_NDCG_LOST[model.precision]:
        raise WrongModelError(f"{where}: nDCG@{CUTOFF} to fp32 falls by {lost:.4g}")
    ties = [ties_at_top(b, a, CUTOFF) for a, b in zip(own, right, strict=True)]
    return {
        "largest_logit_difference": apart,
        "kendall_tau": float(np.mean([kendall_tau(a, b) for a, b in zip(own, right, strict=True)])),
        # Rounding leaves less than nothing of a ranking that lost nothing.
        "ndcg_lost": round(lost, 9) + 0.0,
        "ties_at_top": sum(ties),
    }


def check_packed(model: Model, device: Device, buckets: Sequence[Bucket]) -> float:
    """The largest difference of the packed graph's logits to the padded one's, on the mixed batches that are timed.

    WrongModelError if it is another model; RuntimeError if the device does not run it.
    """
    assert model.packed is not None
    padded, packed = DeviceGraph(model.graph, device), DeviceGraph(model.packed, device)
    feeds = [feed_of(bucket, MIXED) for bucket in buckets]
    apart = float(np.concatenate([np.abs(packed.logits_of(feed) - padded.logits_of(feed)) for feed in feeds]).max())
    if not apart <= PACKED_APART:
        raise WrongModelError(f"{model.name}: a logit without padding is {apart:.4g} from the padded one on {device}")
    return apart


def check_split(bundle: Bundle, precision: Precision, body: Body, scores: npt.NDArray[np.float64]) -> float:
    """The largest difference of the service's scores to those of the three graphs, driven directly on the CPU.

    WrongModelError if it is another model.
    """
    (logits,) = RawSplit(bundle, [body], precision).logits()
    apart = float(np.abs(scores - bundle.manifest.calibration.probability(logits)).max())
    if not apart <= SPLIT_APART:
        raise WrongModelError(f"{bundle.directory}: a score through HTTP is {apart:.4g} from the graphs' own")
    return apart


def _ndcg_lost(model: Model, own: Logits, right: Logits) -> float:
    targets = model.bundle.manifest.calibration.probability(right)
    return 1.0 - soft_target_ndcg(targets, own, CUTOFF)


def check_scores(model: Model, device: Device, body: Body, scores: npt.NDArray[np.float64]) -> float:
    """The largest difference of the service's scores to the graph's own; WrongModelError if it is another model."""
    rule = model.bundle.pair_encoder()
    logits = DeviceGraph(model.graph, device).logits(pairs_of(rule, body), rule.pad_id)
    apart = float(np.abs(scores - model.bundle.manifest.calibration.probability(logits)).max())
    if not apart <= SCORES_APART:
        raise WrongModelError(f"{model.name}: a score through HTTP is {apart:.4g} from the graph's own on {device}")
    return apart


def check_torch(model: Model, device: Device, body: Body, logits: Sequence[float]) -> float:
    """The largest difference of torch's logits to the graph's; WrongModelError if the baseline is another model."""
    rule = model.bundle.pair_encoder()
    own = DeviceGraph(model.graph, device).logits(pairs_of(rule, body), rule.pad_id)
    apart = float(np.abs(own - np.asarray(logits)).max())
    if not apart <= TORCH_APART:
        raise WrongModelError(f"{model.name}: torch's logits are {apart:.4g} from the graph's: no baseline for it")
    return apart
