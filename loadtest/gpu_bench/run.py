"""The order of things: models, checks, then figures, and what they come down to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from loadtest.bench.arena import NO_CACHES
from loadtest.bench.split_arena import NO_SCORES
from loadtest.gpu_bench.buckets import measure_ways
from loadtest.gpu_bench.checking import check_models, packed_to_time
from loadtest.gpu_bench.correctness import WrongModelError, check_scores, check_split, check_torch
from loadtest.gpu_bench.http_load import figures, served
from loadtest.gpu_bench.machine import describe_machine
from loadtest.gpu_bench.models import Model, made, made_split, opened, opened_split, precision_on
from loadtest.gpu_bench.plan import LENGTH, Plan
from loadtest.gpu_bench.report import Report, show
from loadtest.gpu_bench.requests import bodies_of_length
from loadtest.gpu_bench.torch_side import measure_torch
from loadtest.workload import Body
from relevance.bundle import Bundle
from relevance.pair_encoding import PairEncoder

BODIES = 32


@dataclass(frozen=True, slots=True)
class Options:
    """`models` is where made bundles lie; `bundle` and `split` are the caller's own, if any."""

    plan: Plan
    models: Path
    bundle: Path | None = None
    split: Path | None = None


def run_bench(options: Options) -> dict[str, Any]:
    """Everything; RuntimeError if a model computes something else than it should, or there is no device."""
    started = time.monotonic()
    plan, machine = options.plan, describe_machine()
    if plan.device == "cuda" and "CUDAExecutionProvider" not in ort.get_available_providers():
        raise RuntimeError(f"{_without_cuda(machine['packages'])}, or take --device cpu")
    print(f"{machine['gpu'] or machine['cpu']}, {machine['packages']}\n", flush=True)
    report = Report(plan)
    # What was named and cannot be used is told before minutes go into making models.
    own = [opened(options.bundle.name, options.bundle, plan)] if options.bundle else []
    split = opened_split(options.split, plan) if options.split else None
    models = [*_made(options, report), *own]
    split = split or _made_split(options, report)
    if (rule := _rule(models, split)) is None:
        raise RuntimeError("there is no model to measure: install the extra 'train', or give --bundle or --split")
    bodies = bodies_of_length(rule, LENGTH, plan.candidates, BODIES)
    check_models(models, bodies, report)
    _torch(models, bodies, report)
    for model in models:
        report.add_speeds(model, measure_ways(model.graph, packed_to_time(model, report), plan))
    for model in models:
        _serve(model.name, model.bundle, bodies, report, model)
    if split is not None:
        _serve("split", split, bodies, report)
    report.show_end()
    return {"machine": machine, "seconds": round(time.monotonic() - started, 1), **report.as_json()}


def _without_cuda(packages: Mapping[str, str | None]) -> str:
    """Why ONNX Runtime has no CUDA, and what to do."""
    there = f"this ONNX Runtime has {', '.join(ort.get_available_providers())}"
    if packages["onnxruntime"] and packages["onnxruntime-gpu"]:
        return f"{there}: 'onnxruntime' lies over 'onnxruntime-gpu', uninstall both and install the extra 'gpu' again"
    return f"{there}: install the extra 'gpu', and not 'cpu' beside it"


def _rule(models: Sequence[Model], split: Bundle | None) -> PairEncoder | None:
    """The pair rule of any of them: they are made with one template."""
    bundles = [*(model.bundle for model in models), *([split] if split else [])]
    return bundles[0].pair_encoder() if bundles else None


def _made(options: Options, report: Report) -> list[Model]:
    models = []
    for shape in options.plan.shapes:
        try:
            models.append(made(shape, options.models, options.plan))
        except RuntimeError as error:
            report.leave_out(shape, error)
    return models


def _made_split(options: Options, report: Report) -> Bundle | None:
    try:
        return made_split(options.models, options.plan)
    except RuntimeError as error:
        report.leave_out("split student", error)
        return None


def _torch(models: list[Model], bodies: list[Body], report: Report) -> None:
    shapes = [model.name for model in models if model.name in report.plan.shapes]
    try:
        report.torch = measure_torch(report.plan, shapes, bodies)
    except RuntimeError as error:
        report.leave_out("matmul ceiling and torch baseline", error)
        return
    if stopped := report.torch.get("stopped"):
        report.leave_out("torch: all of it", stopped)
    show("matmul", "10¹² operations/s", {"tflops": report.torch["matmul_tflops"]})
    for model in models:
        found = report.torch["shapes"].get(model.name)
        if found is None:
            continue
        if logits := found.pop("logits", None):
            found["largest_logit_difference"] = check_torch(model, report.plan.device, bodies[0], logits)
        report.left_out |= {f"{model.name}: torch {way}": why for way, why in found["left_out"].items()}
        ways = {way: found[way] for way in ("eager", "compiled") if way in found}
        if ways:
            show(f"torch {model.name}", "pairs/s by bucket, and from texts", ways)


def _serve(name: str, bundle: Bundle, bodies: list[Body], report: Report, model: Model | None = None) -> None:
    """One client and many against the service, whose scores are checked before."""
    plan = report.plan
    # Scores are never cached. A split student keeps its products' records: that is what it is for.
    settings = NO_CACHES if model else NO_SCORES
    try:
        with served(bundle.directory, plan, **settings) as service:
            scores = service.scores(bodies[0])
            report.correctness.setdefault(name, {})["score_difference"] = (
                check_scores(model, plan.device, bodies[0], scores)
                if model
                else check_split(bundle, precision_on(bundle, plan), bodies[0], scores)
            )
            report.http[f"{name} x1"] = figures(service.load(bodies, 1, plan))
            report.http[f"{name} x{plan.clients}"] = figures(service.load(bodies, plan.clients, plan))
    except WrongModelError:
        raise
    except RuntimeError as error:
        report.leave_out(f"{name}: HTTP", error)
