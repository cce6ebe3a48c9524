"""What the figures were measured on: the GPU and its driver, and the versions that matter."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import onnxruntime as ort

from loadtest.bench.machine import RUNTIMES, processor, version_of

PACKAGES = (*RUNTIMES, "torch", "transformers", "tokenizers", "numpy")
QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")


def describe_machine() -> dict[str, Any]:
    """Also tells what is not there, since a figure may be missing for it."""
    return {
        **processor(),
        "gpu": _gpu(),
        "providers": ort.get_available_providers(),
        "packages": {name: version_of(name) for name in PACKAGES},
    }


def _gpu() -> str | None:
    if shutil.which(QUERY[0]) is None:
        return None
    done = subprocess.run(QUERY, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else None
