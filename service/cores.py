"""What this process runs on: the cores that it may really use (affinity, container's quota), and their kind."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")


def usable_cores(most: int | None = None, cgroup: Path = CGROUP) -> int:
    """Whole cores, at least 1 and at `most` so many. A quota of 2.5 is 2: a third busy thread would be throttled."""
    allowed = min(len(os.sched_getaffinity(0)), most or sys.maxsize)
    quota = _quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def _quota(cgroup: Path) -> float | None:
    """Cores granted by the cgroup (version 2, then 1), or None where there is no limit."""
    try:
        if (unified := cgroup / "cpu.max").is_file():
            granted, period = unified.read_text().split()
        else:
            granted = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        return float(granted) / float(period) if granted not in ("max", "-1") else None
    except (OSError, ValueError):
        return None


def processor_name(cuda: bool, proc: Path = PROC) -> str:
    """Model names of the CPU, or of the GPUs with `cuda`, as the kernel tells them."""
    if cuda:
        files = sorted(proc.glob("driver/nvidia/gpus/*/information"))
        names = [_value(file, "Model") for file in files]
    else:
        names = [_value(proc / "cpuinfo", "model name")]
    return ", ".join(name for name in names if name) or platform.machine()


def _value(file: Path, field: str) -> str | None:
    """Value of the first line `field: value`, or None."""
    try:
        lines = [line.partition(":") for line in file.read_text(errors="replace").splitlines()]
    except OSError:
        return None
    return next((value.strip() for name, _, value in lines if name.strip() == field), None)
