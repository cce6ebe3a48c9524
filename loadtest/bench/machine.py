"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def describe_machine(cpu_info: Path = CPU_INFO) -> dict[str, Any]:
    """The processor, the cores that may be used, and the versions that matter.

    A generator on a machine of its own has no ONNX Runtime: what is not installed is not named.
    """
    found = {name: version_of(name) for name in RUNTIMES}
    return {**processor(cpu_info), **{name: there for name, there in found.items() if there}}


def processor(cpu_info: Path = CPU_INFO) -> dict[str, Any]:
    """The processor, the cores that may be used, and Python."""
    return {"cpu": _cpu(cpu_info), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def version_of(package: str) -> str | None:
    """Of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu(cpu_info: Path) -> str:
    if cpu_info.is_file():
        for line in cpu_info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
