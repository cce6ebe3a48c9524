"""Why a GPU provider did not start. ONNX Runtime writes that to its own log at best, and goes on with the CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnxruntime as ort

from service.gpu.options import EXECUTION_PROVIDERS, Provider

LoadLibrary = Callable[[str], Any]
"""As `ctypes.CDLL`: OSError where the library is not there."""

DRIVER = "libcuda.so.1"
_ERROR_NO_DEVICE = 100


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What can be seen of ONNX Runtime's build and of the machine.

    `driver_cuda` is the newest CUDA that the driver runs, such as "12.4", None without a driver.
    """

    offered: tuple[str, ...]
    built_for_cuda: str
    driver_cuda: str | None = None
    devices: int = 0
    missing_libraries: tuple[str, ...] = ()


def read_facts(provider: Provider, load: LoadLibrary = ctypes.CDLL) -> GpuFacts:
    """Look at this process' ONNX Runtime and machine."""
    offered, built_for = tuple(ort.get_available_providers()), str(ort.cuda_version)
    missing = tuple(name for name in _libraries(provider, built_for) if not _loads(name, load))
    try:
        driver = load(DRIVER)
    except OSError:
        return GpuFacts(offered, built_for, missing_libraries=missing)
    version, devices = ctypes.c_int(0), ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    if driver.cuInit(0) != _ERROR_NO_DEVICE:
        driver.cuDeviceGetCount(ctypes.byref(devices))
    newest = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return GpuFacts(offered, built_for, newest, devices.value, missing)


def explain(provider: Provider, facts: GpuFacts) -> str:
    """What stands in the provider's way, and what to do; the first thing that has to be mended."""
    if EXECUTION_PROVIDERS[provider] not in facts.offered:
        return (
            f"this ONNX Runtime was built without it and offers only {', '.join(facts.offered)}; "
            "install the extra 'gpu', and not 'cpu' beside it"
        )
    if facts.driver_cuda is None:
        return f"there is no NVIDIA driver ({DRIVER} cannot be loaded); install it, or give the container the GPU"
    if _major(facts.driver_cuda) < _major(facts.built_for_cuda):
        return (
            f"the driver runs CUDA up to {facts.driver_cuda}, but this ONNX Runtime was built for CUDA "
            f"{facts.built_for_cuda}; update the driver, or install an onnxruntime-gpu for CUDA {facts.driver_cuda}"
        )
    if not facts.devices:
        return "the driver sees no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or give the container the GPU"
    if facts.missing_libraries:
        return (
            f"{', '.join(facts.missing_libraries)} cannot be loaded, but ONNX Runtime was built for CUDA "
            f"{facts.built_for_cuda}; install those libraries of that CUDA version (the extra 'gpu' brings CUDA's)"
        )
    return "driver, GPU and libraries seem to be there; what ONNX Runtime says, here or in its log, has the cause"


def _libraries(provider: Provider, built_for_cuda: str) -> list[str]:
    if not built_for_cuda:
        return []
    cuda = [f"{name}.so.{_major(built_for_cuda)}" for name in ("libcudart", "libcublas", "libcublasLt")]
    tensorrt = ["libnvinfer.so.10", "libnvonnxparser.so.10"] if provider == "tensorrt" else []
    return [*cuda, "libcurand.so.10", "libcudnn.so.9", *tensorrt]


def _loads(name: str, load: LoadLibrary) -> bool:
    try:
        load(name)
    except OSError:
        return False
    return True


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isdecimal() else 0
