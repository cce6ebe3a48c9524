"""torch in a process of its own, which also leaves the GPU's memory when it ends: the ceiling, and the baseline."""

from __future__ import annotations

import json
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
    """The report of training.torch_speed; RuntimeError with the last line of its error if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bodies.json"
        file.write_text(json.dumps(list(bodies)), encoding="utf-8")
        command = [sys.executable, "-m", MODULE, "--device", plan.device, "--seconds", str(plan.seconds)]
        command += ["--matmul", str(plan.matmul), "--bodies", str(file), "--shapes", *shapes]
        command += ["--buckets", *map(bucket_name, plan.few_buckets)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=plan.torch_timeout)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{MODULE} took longer than {plan.torch_timeout:.0f} s") from error
    if done.returncode:
        raise RuntimeError(f"{MODULE} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1][:300]}")
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return report
