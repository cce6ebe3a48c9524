"""Before anything is timed: do all systems run the same model?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loadtest.bench.arena import Arena, Contestant
from loadtest.bench.result import LoadResult
from loadtest.closed_loop import ask
from loadtest.workload import Body, Workload
from relevance.ranking_metrics import kendall_tau

LEAST_TAU = 0.6
"""int8 scores move with their batch, and Infinity gives every token the type 0; another model ranks quite otherwise."""

PROBES = Workload(seed=1, candidates=50).bodies(8)


def check_agreement(arena: Arena) -> LoadResult:
    """Agreement of each peer's ranking with Aisle's over probe lists; RuntimeError if one runs another model."""
    ours = _scores(arena.aisle, PROBES)
    tau, correlation = {}, {}
    for peer in arena.contestants[1:]:
        theirs = _scores(peer, PROBES)
        tau[peer.name] = _mean_tau(peer.name, ours, theirs)
        # Aisle's logit is calibrated by a line, which a correlation does not see.
        correlation[peer.name] = round(float(np.corrcoef(_logits(ours), _logits(theirs))[0, 1]), 4)
    facts = {"graph_sha256": arena.bundle.manifest.files[arena.bundle.manifest.graphs["int8"]].sha256}
    rows = {"kendall_tau": tau, "correlation_of_logits": correlation}
    return LoadResult("agreement", "each peer's scores with Aisle's, same int8 graph", rows, facts)


def _scores(contestant: Contestant, bodies: Sequence[Body]) -> list[list[float]]:
    lists = []
    for body, call in zip(bodies, contestant.calls(bodies), strict=True):
        scores = [score for score in contestant.system.scores(ask(contestant.target, call)) if score is not None]
        if len(scores) != len(body["candidates"]):
            raise RuntimeError(f"{contestant.name} gave {len(scores)} scores to {len(body['candidates'])} candidates")
        lists.append(scores)
    return lists


def _mean_tau(name: str, ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    tau = float(np.mean([kendall_tau(own, other) for own, other in zip(ours, theirs, strict=True)]))
    if not tau >= LEAST_TAU:
        raise RuntimeError(f"{name} does not rank as Aisle does (Kendall's tau {tau:.3f}): it runs another model")
    return round(tau, 4)


def _logits(lists: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    scores = np.clip(np.concatenate([np.asarray(one, dtype=np.float64) for one in lists]), 1e-7, 1 - 1e-7)
    logits: npt.NDArray[np.float64] = np.log(scores / (1 - scores))
    return logits
