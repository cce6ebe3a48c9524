"""Two calls of the CUDA runtime that ONNX Runtime's Python package lacks: page-locked memory, and a stream.

The library is the one that ONNX Runtime itself has loaded, so that both see the same device.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import onnxruntime as ort

from relevance.pair_encoding import IntArray
from service.errors import GpuFailedError, ProviderError
from service.gpu.diagnosis import LoadLibrary, explain, read_facts
from service.gpu.faults import without_device

_NON_BLOCKING = 1
_PORTABLE = 1


class CudaRuntime:
    """`library` is `libcudart`, loaded."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def pin(self, array: IntArray) -> None:
        """Lock the array's memory, which must own it, until it is freed: the device then reads it without a copy."""
        address = ctypes.c_void_p(array.ctypes.data)
        status = self._library.cudaHostRegister(address, ctypes.c_size_t(array.nbytes), ctypes.c_uint(_PORTABLE))
        self._check(status, f"cannot lock {array.nbytes} bytes of host memory", "see `ulimit -l`")
        weakref.finalize(array, self._library.cudaHostUnregister, address)

    def open_stream(self) -> int:
        """Address of a new stream that does not wait for CUDA's default one. It lives as long as the process."""
        stream = ctypes.c_void_p()
        status = self._library.cudaStreamCreateWithFlags(ctypes.byref(stream), ctypes.c_uint(_NON_BLOCKING))
        self._check(status, "cannot open a CUDA stream", "set AISLE_GPU_STREAM=false to do without")
        return int(stream.value or 0)

    def _check(self, status: int, message: str, remedy: str) -> None:
        if not status:
            return
        told = f"CUDA error {status}: {message}"
        if without_device(told):
            raise ProviderError(f"{told}; {explain('cuda', read_facts('cuda'))}")
        raise GpuFailedError(f"{told}; {remedy}")


def open_runtime(load: LoadLibrary = ctypes.CDLL) -> CudaRuntime:
    """The runtime of the CUDA version that ONNX Runtime was built for; ProviderError where it is not there."""
    if not ort.cuda_version:
        raise ProviderError(
            "this ONNX Runtime was built without CUDA; install the extra 'gpu', and not 'cpu' beside it"
        )
    # The libraries of the wheels that the extra 'gpu' installs are on no search path.
    ort.preload_dlls()
    name = f"libcudart.so.{str(ort.cuda_version).partition('.')[0]}"
    try:
        return CudaRuntime(load(name))
    except OSError as error:
        raise ProviderError(f"{name} cannot be loaded ({error}); install the extra 'gpu'") from error
