"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")


def describe_machine(cpu_info: Path = CPU_INFO) -> dict[str, Any]:
    """The processor, the cores that may be used, and the versions that matter."""
    return {**processor(cpu_info), "onnxruntime": version("onnxruntime")}


def processor(cpu_info: Path = CPU_INFO) -> dict[str, Any]:
    """The processor, the cores that may be used, and Python."""
    return {"cpu": _cpu(cpu_info), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def _cpu(cpu_info: Path) -> str:
    if cpu_info.is_file():
        for line in cpu_info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
