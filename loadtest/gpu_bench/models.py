"""The bundles that are measured: known shapes, made by training.untrained where they are not there yet; and yours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    directory, packed = folder / name, folder / f"{name}.packed.onnx"
    if not (directory / "manifest.json").exists():
        print(f"making {directory}: a bundle of that shape, with random weights", file=sys.stderr)
        _make(("--kind", name, "-o", str(directory), "--packed", str(packed)))
    return opened(name, directory, plan, packed if packed.exists() else None)


def opened(name: str, directory: Path, plan: Plan, packed: Path | None = None) -> Model:
    """The cross-encoder in `directory`; RuntimeError if the device has no use for its precisions."""
    bundle = load_bundle(directory)
    if bundle.manifest.split is not None:
        raise RuntimeError(f"{directory} is a split student, whose graphs are measured through HTTP alone: use --split")
    for precision in plan.precisions:
        if precision in bundle.manifest.precisions:
            shape = bundle.manifest.training.get("shape")
            known = Shape(shape["layers"], shape["hidden"], shape["intermediate"]) if shape else None
            return Model(name, bundle, precision, known, packed)
    there = ", ".join(bundle.manifest.precisions)
    raise RuntimeError(f"{directory} has {there}, and {plan.device} runs {' or '.join(plan.precisions)}: export those")


def made_split(folder: Path, plan: Plan) -> Bundle:
    """The untrained split student in `folder`; RuntimeError if it is not there and cannot be made."""
    precision = "fp16" if plan.device == "cuda" else "int8"
    directory = folder / f"split-{precision}"
    if not (directory / "manifest.json").exists():
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
