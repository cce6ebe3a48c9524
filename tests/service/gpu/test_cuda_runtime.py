from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from service.errors import GpuFailedError, ProviderError
from service.gpu.cuda_runtime import CudaRuntime, open_runtime
from service.gpu.diagnosis import GpuFacts


class FakeLibrary:
    """`libcudart`, which knows what is locked."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.locked: dict[int, int] = {}

    def cudaHostRegister(self, address: Any, size: Any, _: object) -> int:
        self.locked[address.value] = size.value
        return self.status

    def cudaHostUnregister(self, address: Any) -> int:
        del self.locked[address.value]
        return 0

    def cudaStreamCreateWithFlags(self, stream: Any, _: object) -> int:
        stream._obj.value = 4711
        return self.status


def test_memory_is_locked_for_as_long_as_it_lives() -> None:
    library = FakeLibrary()
    array = np.zeros(10, dtype=np.int64)
    CudaRuntime(library).pin(array)
    assert library.locked == {array.ctypes.data: 80}
    del array
    gc.collect()
    assert not library.locked


def test_a_stream_is_opened() -> None:
    assert CudaRuntime(FakeLibrary()).open_stream() == 4711


def test_what_cuda_refuses_is_told() -> None:
    with pytest.raises(GpuFailedError, match="CUDA error 2: cannot lock 80 bytes"):
        CudaRuntime(FakeLibrary(status=2)).pin(np.zeros(10, dtype=np.int64))


def test_the_runtime_is_that_of_onnx_runtimes_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.cuda_version", "13.0")

    def nothing(name: str) -> Any:
        raise OSError(name)

    with pytest.raises(ProviderError, match=r"libcudart\.so\.13 cannot be loaded"):
        open_runtime(nothing)


def test_a_stream_without_a_gpu_is_no_gpu_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = GpuFacts(("CUDAExecutionProvider",), "13.0", driver_cuda=None)
    monkeypatch.setattr("service.gpu.cuda_runtime.read_facts", lambda _: facts)
    # No stream of any kind would open there, so the setting is not what helps.
    told = r"^CUDA error 100: cannot open a CUDA stream; there is no NVIDIA driver .*give the container the GPU$"
    with pytest.raises(ProviderError, match=told) as caught:
        CudaRuntime(FakeLibrary(status=100)).open_stream()
    assert not isinstance(caught.value, GpuFailedError)


def test_a_stream_that_a_gpu_refuses_can_be_done_without() -> None:
    with pytest.raises(GpuFailedError, match="CUDA error 2: cannot open a CUDA stream; set AISLE_GPU_STREAM=false"):
        CudaRuntime(FakeLibrary(status=2)).open_stream()


def test_the_wheels_libraries_are_loaded_before_the_runtime_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr("onnxruntime.cuda_version", "13.0")
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: order.append("preloaded"))
    open_runtime(order.append)
    assert order == ["preloaded", "libcudart.so.13"]
