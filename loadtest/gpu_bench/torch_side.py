"""torch in a process of its own, which also leaves the GPU's memory when it ends: the ceiling, and the baseline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.gpu_bench.arithmetic import bucket_name
from loadtest.gpu_bench.plan import Plan
from loadtest.workload import Body

MODULE = "training.torch_speed"


def measure_torch(plan: Plan, shapes: Sequence[str], bodies: Sequence[Body]) -> dict[str, Any]:
    """The last report of training.torch_speed; RuntimeError with the last line of its error if there is none.

    One that was not done in time is what it was by then, and has `stopped` with the reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bodies.json"
        file.write_text(json.dumps(list(bodies)), encoding="utf-8")
        command = [sys.executable, "-m", MODULE, "--device", plan.device, "--seconds", str(plan.seconds)]
        command += ["--matmul", str(plan.matmul), "--bodies", str(file), "--shapes", *shapes]
        command += ["--buckets", *map(bucket_name, plan.few_buckets)]
        output, stopped = _run(command, plan.torch_timeout)
    reports = [line for line in output.splitlines() if line.startswith("{") and line.endswith("}")]
    if not reports:
        raise RuntimeError(stopped or f"{MODULE} printed nothing")
    report: dict[str, Any] = json.loads(reports[-1])
    return {**report, "stopped": stopped} if stopped else report


def _run(command: Sequence[str], seconds: float) -> tuple[str, str]:
    """Its output, and why that is not all; empty if it is."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # With the compiler's workers, which hold the pipes open too.
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return output, f"{MODULE} took longer than {seconds:.0f} s"
    if process.returncode:
        return output, f"{MODULE} failed: {(errors.strip().splitlines() or ['no message'])[-1][:300]}"
    return output, ""
