"""The bundles that are measured: known shapes, made by training.untrained where they are not there yet; and yours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench.bundles import cross_encoder, split_student
from loadtest.gpu_bench.arithmetic import Shape
from loadtest.gpu_bench.plan import Plan
from relevance.bundle import Bundle, Precision, load_bundle

MAKE_SECONDS = 300
"""The largest takes a minute on a few cores."""


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle, the precision in which the service runs it on the device, and its shape if that is known."""

    name: str
    bundle: Bundle
    precision: Precision
    shape: Shape | None
    packed: Path | None = None

    @property
    def graph(self) -> Path:
        """The graph of that precision."""
        return self.bundle.graph_path(self.precision)

    @property
    def exact(self) -> Path | None:
        """The fp32 graph, if there is one."""
        return self.bundle.graph_path("fp32") if "fp32" in self.bundle.manifest.precisions else None


def made(name: str, folder: Path, plan: Plan) -> Model:
    """The untrained model of that shape in `folder`; RuntimeError if it is not there and cannot be made."""
    directory = folder / name
    # A CPU has no use for it. Named by its form, so that one of an earlier form is not taken for it.
    packed = folder / f"{name}.packed-but-last.onnx" if plan.device == "cuda" else None
    if not (directory / "manifest.json").exists() or (packed and not packed.exists()):
        print(f"making {directory}: a bundle of that shape, with random weights", file=sys.stderr)
        _make(("--kind", name, "-o", str(directory), *(("--packed", str(packed)) if packed else ())))
    return opened(name, directory, plan, packed)


def opened(name: str, directory: Path, plan: Plan, packed: Path | None = None) -> Model:
    """The cross-encoder in `directory`; RuntimeError if it is none, or has nothing that the device runs."""
    bundle = cross_encoder(directory)
    shape = bundle.manifest.training.get("shape")
    known = Shape(shape["layers"], shape["hidden"], shape["intermediate"]) if shape else None
    return Model(name, bundle, precision_on(bundle, plan), known, packed)


def opened_split(directory: Path, plan: Plan) -> Bundle:
    """The split student in `directory`; RuntimeError if it is none, or has nothing that the device runs."""
    bundle = split_student(directory)
    precision_on(bundle, plan)
    return bundle


def precision_on(bundle: Bundle, plan: Plan) -> Precision:
    """That in which the service runs the bundle on the device; RuntimeError if it has none."""
    for precision in plan.precisions:
        if precision in bundle.manifest.precisions:
            return precision
    there = ", ".join(bundle.manifest.precisions)
    wanted = " or ".join(plan.precisions)
    raise RuntimeError(f"{bundle.directory} has {there}, and {plan.device} runs {wanted}: export those")


def made_split(folder: Path, plan: Plan) -> Bundle:
    """The untrained split student in `folder`; RuntimeError if it is not there and cannot be made."""
    precision = "fp16" if plan.device == "cuda" else "int8"
    directory = folder / f"split-{precision}"
    if not (directory / "manifest.json").exists():
        print(f"making {directory}: a split student as it starts", file=sys.stderr)
        _make(("--kind", "split", "-o", str(directory), "--precisions", precision))
    return load_bundle(directory)


def _make(arguments: Sequence[str]) -> None:
    command = (sys.executable, "-m", "training.untrained", *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAKE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"training.untrained took longer than {MAKE_SECONDS} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(f"training.untrained failed, it needs the extra 'train': {lines[-1][:300]}")
