"""How many CPU cores this process may really use: its affinity, and its container's quota."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Whole cores, at least 1. A quota of 2.5 cores counts as 2: a third busy thread would be throttled."""
    allowed = len(os.sched_getaffinity(0))
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
