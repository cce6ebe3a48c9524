"""What a failed run says of the device. Pure: ONNX Runtime has no classes for it, so its messages decide."""

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
_CUDA_CODE = re.compile(r"CUDA (?:failure|error) (\d+)", re.IGNORECASE)

_MEMORY_CODE = 2
_LOST_CODES = frozenset({3, 4, 46, 100, 101, 201, 214, 219, 220, 226, 700, 702, 709, *range(714, 721), 721, 999})
"""CUDA's errors after which no call of the process succeeds: device gone, context destroyed, kernels that crashed."""


def fault_of(error: BaseException) -> Fault:
    """What `error`, which a run raised, says."""
    message = str(error)
    codes = {int(code) for code in _CUDA_CODE.findall(message)}
    # A device that was lost may also say that it has no memory: what can not be mended comes first.
    if codes & _LOST_CODES or _LOST.search(message):
        return Fault.LOST
    if _MEMORY_CODE in codes or _MEMORY.search(message):
        return Fault.MEMORY
    return Fault.OTHER


def in_short(error: BaseException) -> str:
    """Its first line, for a log: ONNX Runtime's messages go on with stack traces."""
    return (str(error).strip().splitlines() or [repr(error)])[0][:500]
