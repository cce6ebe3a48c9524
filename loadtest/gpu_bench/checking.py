"""What is checked of the graphs before any of them is timed, and what is left out because it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loadtest.gpu_bench.buckets import CUDA_ALONE
from loadtest.gpu_bench.correctness import WrongModelError, check_graph, check_packed
from loadtest.gpu_bench.models import Model
from loadtest.gpu_bench.report import Report, show
from loadtest.workload import Body

CHECKED = 8
PACKED = "packed_logit_difference"


def check_models(models: Sequence[Model], bodies: Sequence[Body], report: Report) -> None:
    """Compare every graph on the device with what it should compute; WrongModelError if one differs."""
    for model in models:
        found = report.correctness.setdefault(model.name, {})
        if model.exact is None:
            report.leave_out(f"{model.name}: correctness", "the bundle has no fp32 graph to compare with")
        else:
            found |= check_graph(model, report.plan.device, bodies[:CHECKED])
        _check_packed(model, report)
    figures = dict.fromkeys(figure for found in report.correctness.values() for figure in found)
    rows = {figure: {name: found.get(figure) for name, found in report.correctness.items()} for figure in figures}
    show("checked", f"{CHECKED} lists against fp32 on the CPU", rows)


def packed_to_time(model: Model, report: Report) -> Path | None:
    """The model's packed graph, if it was found to be right."""
    return model.packed if PACKED in report.correctness[model.name] else None


def _check_packed(model: Model, report: Report) -> None:
    part = f"{model.name}: mixed_packed"
    if report.plan.device != "cuda":
        report.leave_out(part, CUDA_ALONE)
    elif model.packed is None:
        report.leave_out(part, "there is no packed graph of this bundle")
    else:
        try:
            apart = check_packed(model, report.plan.device, report.plan.few_buckets)
        except WrongModelError:
            raise
        except RuntimeError as error:
            report.leave_out(part, error)
            return
        report.correctness[model.name][PACKED] = apart
