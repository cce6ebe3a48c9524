"""Deciding how the engine runs: by settings, else by an earlier start's measurements, else by measuring now."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import onnxruntime as ort

from relevance.bundle import Bundle
from service.autotune.cache import TuningCache
from service.autotune.choice import Verdict
from service.autotune.measuring import Measured, measure
from service.autotune.plan import Fixed, Plan, Room, make_plan
from service.autotune.rig import open_rig
from service.autotune.tuning import OperatingPoint, Tuning
from service.cores import processor_name, usable_cores
from service.sessions import Graph
from service.settings import Settings

logger = logging.getLogger(__name__)

SECONDS = 4.0
"""Longest time of measuring."""
WEIGHTS_BYTES = 2 * 1024**3
"""Layouts are measured side by side, each with the graph in memory; so much of it is allowed."""
FORMAT_VERSION = 2
"""Of the plan and of what its figures mean; raised when earlier tunings no longer hold."""


def autotune(bundle: Bundle, graph: Graph, pad_id: int, settings: Settings) -> Tuning:
    """How to run `graph`; BackendError if it fails while it is measured."""
    # Buckets run one after the other on their device, so more sessions would only be measured in vain.
    sessions = 1 if settings.use_buckets(graph.on_gpu) else settings.sessions
    fixed = Fixed(sessions, settings.threads, settings.micro_batch_tokens)
    room = Room(
        cores=usable_cores(settings.cores),
        cuda=graph.on_gpu,
        layouts=max(1, WEIGHTS_BYTES // max(1, graph.path.stat().st_size)),
        queue_tokens=settings.queue_tokens,
    )
    plan = make_plan(fixed, room, bundle.manifest.template.max_length)
    if not settings.autotune:
        return _told(_unmeasured(plan.default), "settings", reason="AISLE_AUTOTUNE is off")
    if graph.provider == "tensorrt":
        return _told(_unmeasured(plan.default), "settings", reason="TensorRT builds an engine for minutes")
    if len(plan.candidates) == 1:
        return _told(_unmeasured(plan.default), "settings", reason="nothing is left to choose")
    cache = TuningCache(bundle.directory, _key(bundle, graph, plan, room.cores), plan.candidates)
    if (kept := cache.load()) is not None:
        return _told(kept, "cache", reason="measured at an earlier start")
    started = time.monotonic()
    opener = partial(open_rig, graph.plain(), pad_id, max(plan.lengths), plan.default.micro_batch_tokens)
    measured = measure(plan, opener, SECONDS, time.monotonic)
    seconds = round(time.monotonic() - started, 2)
    if measured.verdict is None:
        return _told(_unmeasured(plan.default), "default", reason="nothing could be measured in time", seconds=seconds)
    tuning = _tuning(measured, measured.verdict)
    cache.save(tuning)
    return _told(tuning, "measured", seconds=seconds, **_figures(measured, measured.verdict))


def _key(bundle: Bundle, graph: Graph, plan: Plan, cores: int) -> dict[str, Any]:
    """All that a tuning depends on. The candidates stand for the cores, and for what settings fix or bound."""
    return {
        "format_version": FORMAT_VERSION,
        "graph_sha256": bundle.manifest.files[graph.path.name].sha256,
        "onnxruntime": ort.__version__,
        "provider": graph.provider,
        "processor": processor_name(graph.on_gpu),
        "cores": cores,
        "candidates": [[*candidate.layout, candidate.micro_batch_tokens] for candidate in plan.candidates],
        "lengths": list(plan.lengths),
    }


def _unmeasured(candidate: OperatingPoint) -> Tuning:
    return Tuning(**candidate.layout._asdict(), micro_batch_tokens=candidate.micro_batch_tokens)


def _tuning(measured: Measured, verdict: Verdict) -> Tuning:
    layout = verdict.chosen.layout
    return Tuning(
        **layout._asdict(),
        micro_batch_tokens=verdict.chosen.micro_batch_tokens,
        tokens_per_second=1e9 / (verdict.costs[verdict.chosen] * layout.sessions),
        single_pair_ms=measured.figures.single_pair[layout] * 1e3,
        table=measured.figures.table,
    )


def _figures(measured: Measured, verdict: Verdict) -> dict[str, object]:
    def way(candidate: OperatingPoint) -> str:
        return f"{candidate.layout.sessions}x{candidate.layout.threads}, {candidate.micro_batch_tokens} tokens"

    return {
        "reason": verdict.reason,
        "noise": round(measured.figures.noise, 3),
        "ns_per_token": {
            way(candidate): round(cost) for candidate, cost in sorted(verdict.costs.items(), key=lambda item: item[1])
        },
    }


def _told(tuning: Tuning, source: str, **fields: object) -> Tuning:
    chosen = tuning.model_dump(exclude={"table"})
    logger.info("engine tuned", extra={"fields": {"source": source, **chosen, **fields}})
    return tuning
