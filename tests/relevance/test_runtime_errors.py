from __future__ import annotations

import pytest

from relevance.runtime_errors import in_short

CUDA = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:{line} std::conditional_t<THRW, void, "
    "onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, "
    "const char*, int) [with ERRTYPE = cudaError; bool THRW = true; SUCCTYPE = cudaError; std::conditional_t<THRW, "
    "void, common::Status> = void] "
)
ARENA = (
    "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::Allocate(size_t) "
    "Failed to allocate memory for requested buffer of size 83"
)


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("CUDA failure 2: x\nframe 1", "CUDA failure 2: x"),
        ("", "RuntimeError('')"),
        (
            f"[ONNXRuntimeError] : 1 : FAIL : {CUDA.format(line=129)}{CUDA.format(line=121)}CUDA failure 2: out of "
            "memory ; GPU=0 ; expr=cudaMalloc(&p, size); \n",
            "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc(&p, size);",
        ),
        (ARENA, ARENA),
        ("x" * 900, "x" * 500),
    ],
)
def test_the_cause_is_left(message: str, short: str) -> None:
    assert in_short(RuntimeError(message)) == short
