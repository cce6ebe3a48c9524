"""What a failure says of the device, be it of a run or of opening a graph.

Pure: ONNX Runtime has no classes for it, so its messages decide.
"""

from __future__ import annotations

import re
from enum import Enum


class Fault(Enum):
    """What went wrong with a run."""

    MEMORY = "memory"
    """The device had no room for it; something smaller may fit."""
    LOST = "lost"
    """The process can not use the device any more."""
    OTHER = "other"


_MEMORY = re.compile(
    r"out of memory|failed to allocate memory|available memory of \d+ is smaller than requested"
    r"|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|OutOfMemory|std::bad_alloc",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"GPU is lost|fallen off the bus|cudaErrorDevicesUnavailable|uncorrectable ECC"
    r"|(?:CUDNN|CUBLAS)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR)",
    re.IGNORECASE,
)
_LOST_NAME = re.compile(
    r"cudaError(?:InitializationError|CudartUnloading|NoDevice|InvalidDevice|DeviceUninitialized|ECCUncorrectable"
    r"|InvalidGraphicsContext|NvlinkUncorrectable|Contained|IllegalAddress|LaunchTimeout|ContextIsDestroyed|Assert"
    r"|HardwareStackError|IllegalInstruction|MisalignedAddress|InvalidAddressSpace|InvalidPc|LaunchFailure"
    r"|TensorMemoryLeak|Unknown)\b"
)
"""The same errors as `_LOST_CODES`: after an operator ONNX Runtime tells the name of an error, and not its code."""
_CUDA_CODE = re.compile(r"CUDA (?:failure|error) (\d+)", re.IGNORECASE)

_MEMORY_CODE = 2
_LOST_CODES = frozenset({3, 4, 46, 100, 101, 201, 214, 219, 220, 226, 700, 702, 709, 710, *range(714, 720), 721, 999})
"""CUDA's errors after which no call of the process succeeds: device gone, context destroyed, kernels that crashed."""

NO_CUDNN = "cuDNN is unavailable"
"""CUDA starts without cuDNN, and the first operator that needs it fails."""
CUDNN_ATTENTION = "Failed to build cuDNN graph for Flash Attention"
"""On GPUs from Hopper on cuDNN computes attention in fp16, if its version can."""

_DEVICE = re.compile(
    r"\b(?:CU[A-Z_]+|NCCL) (?:failure|error) -?\d+: [^;\n]*"
    r"|CUDA error cudaError\w+:[^;\n]*"
    r"|Failed to allocate memory for requested buffer of size \d+"
    r"|Available memory of \d+ is smaller than requested bytes of \d+"
    r"|CUDA_PATH is set but CUDA wasn'?t able to be loaded"
    r"|Please install TensorRT libraries"
    rf"|{NO_CUDNN}[^;\n]*|{CUDNN_ATTENTION}"
)
_ABSENT = re.compile(r"CUDA (?:failure|error) (?:35|100):|CUDA_PATH is set|Please install TensorRT")
"""No driver that this CUDA can use, no GPU that the process may see, no libraries: a GPU's image on another machine."""


def fault_of(error: BaseException) -> Fault:
    """What `error`, which a run raised, says."""
    message = str(error)
    codes = {int(code) for code in _CUDA_CODE.findall(message)}
    # A device that was lost may also say that it has no memory: what can not be mended comes first.
    if codes & _LOST_CODES or _LOST.search(message) or _LOST_NAME.search(message):
        return Fault.LOST
    if _MEMORY_CODE in codes or _MEMORY.search(message):
        return Fault.MEMORY
    return Fault.OTHER


def told_by_device(error: BaseException) -> str | None:
    """What CUDA and its libraries say in `error`, which a graph raised at the start; None if it is its own fault.

    Memory of the process itself (`std::bad_alloc`) is not the device's.
    """
    found = _DEVICE.search(str(error))
    return found[0].strip() if found else None


def without_device(told: str) -> bool:
    """Whether what the device told is only that there is none."""
    return bool(_ABSENT.search(told))
