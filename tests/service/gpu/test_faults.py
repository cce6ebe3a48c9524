from __future__ import annotations

import pytest

from service.gpu.faults import Fault, fault_of, told_by_device, without_device

FAILED = "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Cast node. Status Message: "
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
        (FAILED + "CUDA error cudaErrorLaunchFailure:unspecified launch failure", "lost"),
        (FAILED + "CUDA error cudaErrorIllegalAddress:an illegal memory access was encountered", "lost"),
        (FAILED + "CUDA error cudaErrorAssert:device-side assert triggered", "lost"),
        ("CUDA failure 710: device-side assert triggered ; GPU=0", "lost"),
        (FAILED + "CUDA error cudaErrorMemoryAllocation:out of memory", "memory"),
        (FAILED + "CUDA error cudaErrorNoKernelImageForDevice:no kernel image is available", "other"),
        # A launch of too many blocks: the next one may work.
        ("CUDA failure 720: too many blocks in cooperative launch ; GPU=0", "other"),
        (RUNNING + "indices element out of data bounds, idx=55 must be within the inclusive range", "other"),
        ("CUDA failure 900: operation not permitted when stream is capturing", "other"),
        ("", "other"),
    ],
)
def test_messages_of_onnx_runtime(message: str, fault: str) -> None:
    assert fault_of(RuntimeError(message)) is Fault(fault)


CALL = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:{line} std::conditional_t<THRW, void, "
    "onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, "
    "const char*, int) [with ERRTYPE = cudaError; bool THRW = true; SUCCTYPE = cudaError; std::conditional_t<THRW, "
    "void, common::Status> = void] "
)
END = (
    " ; GPU=0 ; hostname=h ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; "
    "line=296 ; expr=cudaSetDevice(info_.device_id); \n"
)
ARENA = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: /onnxruntime_src/onnxruntime/core/"
    "framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) "
)


def raised(said: str) -> str:
    """As ONNX Runtime raises what CUDA says: it names the place twice."""
    return CALL.format(line=129) + CALL.format(line=121) + said + END


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (raised("CUDA failure 2: out of memory"), "CUDA failure 2: out of memory"),
        (raised("CUDA failure 802: system not yet initialized"), "CUDA failure 802: system not yet initialized"),
        (
            raised("CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED"),
            "CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED",
        ),
        (raised("CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED"), "CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED"),
        (
            "[ONNXRuntimeError] : 1 : FAIL : " + raised("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"),
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        ),
        (
            FAILED + "CUDA error cudaErrorNoKernelImageForDevice:no kernel image is available",
            "CUDA error cudaErrorNoKernelImageForDevice:no kernel image is available",
        ),
        (
            ARENA + "Failed to allocate memory for requested buffer of size 46881792\n",
            "Failed to allocate memory for requested buffer of size 46881792",
        ),
        (
            ARENA + "Available memory of 1048576 is smaller than requested bytes of 46881792",
            "Available memory of 1048576 is smaller than requested bytes of 46881792",
        ),
        ("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from m.onnx failed:Protobuf parsing failed.", None),
        ("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for PackedAttention(1)", None),
        (
            "This session cannot use the graph capture feature as requested by the user as all compute graph nodes "
            "have not been partitioned to the CUDAExecutionProvider",
            None,
        ),
        ("std::bad_alloc", None),
    ],
)
def test_what_cuda_says_of_opening_is_told_from_what_the_graph_lacks(message: str, told: str | None) -> None:
    assert told_by_device(RuntimeError(message)) == told


@pytest.mark.parametrize(
    ("said", "absent"),
    [
        ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", True),
        ("CUDA failure 100: no CUDA-capable device is detected", True),
        ("CUDA_PATH is set but CUDA wasnt able to be loaded", True),
        ("CUDA failure 2: out of memory", False),
        ("CUDA failure 1001: unknown", False),
        ("CUBLAS failure 100: nothing that is known", False),
    ],
)
def test_a_machine_without_a_gpu_is_told_from_a_gpu_that_fails(said: str, absent: bool) -> None:
    assert without_device(said) is absent
