"""Proof that a graph computes what the checkpoint computes: on real pairs, over many batch sizes and lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from transformers import BertForSequenceClassification

from export.errors import ParityError
from export.sessions import cpu_session
from relevance.bundle import Precision
from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.pair_encoding import EncodedPair, pad_pairs
from relevance.ranking_metrics import kendall_tau, soft_target_ndcg, ties_at_top

BATCH_SIZES = (1, 2, 3, 8, 17, 32, 64)
NDCG_CUTOFF = 10
DRIFT_PAIRS = 300

Logits = npt.NDArray[np.float64]
Targets = npt.NDArray[np.float64]
AnyPair = TypeVar("AnyPair")


@dataclass(frozen=True, slots=True)
class JudgedList:
    """One query's encoded pairs with their soft targets (n,), to compare rankings on."""

    pairs: Sequence[EncodedPair]
    targets: Targets


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a precision may differ by: largest |Δlogit|, loss of mean nDCG@10, mean Kendall tau kept.

    `drift`: how far a logit may move between a pair alone and the pair in a batch. `ties`: the share of the first ten
    places that may tie.
    """

    logit: float
    ndcg: float
    tau: float
    drift: float
    ties: float


INT8_BOUNDS: Final = Bounds(logit=1.5, ndcg=5e-3, tau=0.9, drift=1e-5, ties=0.05)
"""Of either kind of student: rounding moves single logits, but not the ranking."""

BOUNDS: dict[Precision, Bounds] = {
    "fp32": Bounds(logit=1e-3, ndcg=1e-3, tau=0.999, drift=1e-5, ties=0.0),
    # A logit that has run into the end of fp16, or into its steps, ties with its neighbours: the best ones first.
    "fp16": Bounds(logit=5e-2, ndcg=2e-3, tau=0.99, drift=2e-2, ties=0.01),
    # Products of integers are exact in any batch.
    "int8": INT8_BOUNDS,
}


@dataclass(frozen=True, slots=True)
class Parity:
    """What was measured for one graph.

    `ties_at_top`: of the `places_at_top`, which are each list's first ten, how many the graph gave a logit that it also
    gave to another pair of the list, though the checkpoint tells the two apart.
    """

    pairs: int
    largest_logit_difference: float
    mean_logit_difference: float
    ndcg_torch: float
    ndcg_graph: float
    kendall_tau: float
    largest_batch_drift: float
    ties_at_top: int = 0
    places_at_top: int = 0


def check_parity(
    checkpoint: Path, graph: Path, precision: Precision, lists: Sequence[JudgedList], pad_id: int
) -> dict[str, Any]:
    """Compare a graph with its checkpoint; ParityError names the largest difference if a bound is passed."""
    reference = torch_logits(checkpoint, lists, pad_id)
    measured = graph_logits(graph, lists, pad_id)
    targets = [judged.targets for judged in lists]
    parity = compare(targets, reference, measured, batch_drift(graph, lists, measured, pad_id))
    return checked(parity, graph.name, precision, BOUNDS[precision])


def checked(parity: Parity, graph: str, precision: Precision, bounds: Bounds) -> dict[str, Any]:
    """The figures as JSON; ParityError, which names the graph and its precision, if a bound is passed."""
    problem = broken_bound(parity, bounds)
    if problem:
        raise ParityError(
            f"{graph}: {problem}, measured in {precision} on {parity.pairs} judged pairs; {_way_out(precision)}"
        )
    return asdict(parity)


def _way_out(precision: Precision) -> str:
    """What can be done. More held-out pairs are no way: the general check's thousand are compared in every run."""
    if precision == "fp32":
        return (
            "no precision is nearer to the checkpoint, so the student has to be trained anew: on more judgements or "
            "for more steps, or at a lower learning rate where logits are huge"
        )
    return (
        'set precisions = ["fp32"] in the settings file, larger and slower but nearer to the checkpoint, and give the '
        "same command again (not --resume): only the export is done anew; or train on more judgements: a student of "
        "few tells products apart by less than the rounding"
    )


def compare(
    targets: Sequence[Targets], reference: Sequence[Logits], measured: Sequence[Logits], drift: float
) -> Parity:
    """Differences of two models' logits, one array (n,) a list as the soft targets, beside the measured one's `drift`.

    ParityError if any of the logits is not finite: nothing can be compared then.
    """
    for owner, logits in (("checkpoint", reference), ("graph", measured)):
        if broken := int(np.count_nonzero(~np.isfinite(np.concatenate(logits)))):
            raise ParityError(f"the {owner} gives {broken} logits that are not finite")
    gap = np.abs(np.concatenate(reference) - np.concatenate(measured))
    taus = [kendall_tau(a, b) for a, b in zip(reference, measured, strict=True) if a.size > 1]
    return Parity(
        pairs=gap.size,
        largest_logit_difference=float(gap.max()),
        mean_logit_difference=float(gap.mean()),
        ndcg_torch=_mean_ndcg(targets, reference),
        ndcg_graph=_mean_ndcg(targets, measured),
        kendall_tau=float(np.nanmean(taus)) if taus else 1.0,
        largest_batch_drift=drift,
        ties_at_top=sum(ties_at_top(a, b, NDCG_CUTOFF) for a, b in zip(reference, measured, strict=True)),
        places_at_top=sum(min(NDCG_CUTOFF, own.size) for own in measured),
    )


def batch_drift(graph: Path, lists: Sequence[JudgedList], in_batches: Sequence[Logits], pad_id: int) -> float:
    """`largest_drift` of a cross-encoder's graph."""
    session = cpu_session(graph)
    pairs = [pair for judged in lists for pair in judged.pairs]
    return largest_drift(lambda pair: _run(session, [pair], pad_id), pairs, in_batches)


def largest_drift(alone: Callable[[AnyPair], Logits], pairs: Sequence[AnyPair], in_batches: Sequence[Logits]) -> float:
    """How far a pair's logit `alone` (1,) lies from the one it had in a batch, at most; nan if any of these is.

    Measured on `DRIFT_PAIRS` at most, spread over all `pairs`, whose logits `in_batches` has list by list.
    """
    spread = slice(None, None, -(-len(pairs) // DRIFT_PAIRS))
    logits = np.concatenate([alone(pair) for pair in pairs[spread]])
    return float(np.abs(logits - np.concatenate(in_batches)[spread]).max())


@torch.inference_mode()
def torch_logits(checkpoint: Path, lists: Sequence[JudgedList], pad_id: int) -> list[Logits]:
    """fp32 logits of the checkpoint, one array a list."""
    model = BertForSequenceClassification.from_pretrained(checkpoint)
    model.train(False)
    logits = []
    for judged in lists:
        parts = []
        for start in range(0, len(judged.pairs), max(BATCH_SIZES)):
            batch = pad_pairs(judged.pairs[start : start + max(BATCH_SIZES)], pad_id)
            feed = {name: torch.from_numpy(getattr(batch, name)) for name in INPUTS}
            parts.append(model(**feed).logits[:, 0].double().numpy())
        logits.append(np.concatenate(parts))
    return logits


def graph_logits(graph: Path, lists: Sequence[JudgedList], pad_id: int) -> list[Logits]:
    """Logits of the graph, one array a list, run in batches whose sizes go through BATCH_SIZES."""
    session = cpu_session(graph)
    logits: list[Logits] = []
    turn = 0
    for judged in lists:
        parts = []
        start = 0
        while start < len(judged.pairs):
            size = BATCH_SIZES[turn % len(BATCH_SIZES)]
            parts.append(_run(session, judged.pairs[start : start + size], pad_id))
            start, turn = start + size, turn + 1
        logits.append(np.concatenate(parts))
    return logits


def _run(session: onnxruntime.InferenceSession, pairs: Sequence[EncodedPair], pad_id: int) -> Logits:
    batch = pad_pairs(pairs, pad_id)
    (logits,) = session.run([OUTPUT], {name: getattr(batch, name) for name in INPUTS})
    return np.asarray(logits, dtype=np.float64).reshape(-1)


def _mean_ndcg(targets: Sequence[Targets], logits: Sequence[Logits]) -> float:
    values = [
        soft_target_ndcg(own, scores, NDCG_CUTOFF) for own, scores in zip(targets, logits, strict=True) if own.max() > 0
    ]
    return float(np.mean(values)) if values else float("nan")


def broken_bound(parity: Parity, bounds: Bounds) -> str | None:
    """Which bound the figures pass, in words with the figure and the bound; None if none."""
    # Written so that nan breaks a bound instead of passing it. But for nDCG, which is nan where no list has a relevant
    # product: there is no ranking to lose then, and it bounds nothing.
    if not parity.largest_logit_difference <= bounds.logit:
        found, bound = (
            f"the largest logit difference is {parity.largest_logit_difference:.4g}",
            f"most {bounds.logit:g}",
        )
    elif parity.ndcg_torch - parity.ndcg_graph > bounds.ndcg:
        found, bound = f"nDCG@10 fell from {parity.ndcg_torch:.4f} to {parity.ndcg_graph:.4f}", f"most {bounds.ndcg:g}"
    elif not parity.kendall_tau >= bounds.tau:
        found, bound = f"Kendall tau to the checkpoint is {parity.kendall_tau:.4f}", f"least {bounds.tau:g}"
    elif not parity.largest_batch_drift <= bounds.drift:
        moved = f"{parity.largest_batch_drift:.4g}"
        found, bound = f"a logit moves by {moved} with the batch around its pair", f"most {bounds.drift:g}"
    elif parity.ties_at_top > bounds.ties * parity.places_at_top:
        places = f"{parity.ties_at_top} of {parity.places_at_top} places"
        found, bound = f"{places} at the top have the logit of another pair", f"most {bounds.ties:.0%}"
    else:
        return None
    return f"{found} (bound: at {bound})"
