from __future__ import annotations

import pytest

from service.gpu.faults import Fault, fault_of, in_short

RUNNING = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Attention node. "


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (RUNNING + "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 83", "memory"),
        (RUNNING + "Available memory of 1024 is smaller than requested bytes of 2048", "memory"),
        ("CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc((void**)&p, size);", "memory"),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", "memory"),
        ("CUDA failure 700: an illegal memory access was encountered ; GPU=0", "lost"),
        ("CUDA failure 719: unspecified launch failure ; GPU=0", "lost"),
        ("CUDA failure 46: all CUDA-capable devices are busy or unavailable ; GPU=0", "lost"),
        ("CUDA failure 999: unknown error; the arena is out of memory", "lost"),
        (RUNNING + "indices element out of data bounds, idx=55 must be within the inclusive range", "other"),
        ("CUDA failure 900: operation not permitted when stream is capturing", "other"),
        ("", "other"),
    ],
)
def test_messages_of_onnx_runtime(message: str, fault: str) -> None:
    assert fault_of(RuntimeError(message)) is Fault(fault)


def test_a_log_gets_the_first_line() -> None:
    assert in_short(RuntimeError("CUDA failure 2: x\nframe 1")) == "CUDA failure 2: x"
    assert in_short(RuntimeError()) == "RuntimeError()"
