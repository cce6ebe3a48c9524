from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.errors import BackendError, GpuFailedError, ProviderError
from service.gpu.options import EXECUTION_PROVIDERS, Provider
from service.sessions import Graph, open_session
from tests.service.gpu.test_faults import ARENA, raised

ROWS, DEPTH, COLUMNS = 8, 256, 32


def integer_product(path: Path) -> None:
    """A graph of one product of integers whose every factor is the largest there is."""
    constants = {
        "weights": np.full((DEPTH, COLUMNS), 127, dtype=np.int8),
        "scale": np.float32(1.0),
        "zero": np.uint8(0),
        "weights_scale": np.ones(COLUMNS, dtype=np.float32),
        "weights_zero": np.zeros(COLUMNS, dtype=np.int8),
    }
    inputs = ["values", "weights", "scale", "weights_scale", "zero", "weights_zero"]
    product = helper.make_node("MatMulIntegerToFloat", inputs, ["sums"], domain="com.microsoft")
    graph = helper.make_graph(
        [product],
        "product",
        [helper.make_tensor_value_info("values", TensorProto.UINT8, [ROWS, DEPTH])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, [ROWS, COLUMNS])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def test_integer_products_are_exact_on_every_machine(tmp_path: Path) -> None:
    # Without VNNI, ONNX Runtime's faster kernel saturates here: 2 · 255 · 127 does not fit in 16 bits.
    integer_product(tmp_path / "product.onnx")
    session = open_session(Graph(tmp_path / "product.onnx"), threads=1)
    (sums,) = session.run(None, {"values": np.full((ROWS, DEPTH), 255, dtype=np.uint8)})
    np.testing.assert_array_equal(sums, np.full((ROWS, COLUMNS), 255 * 127 * DEPTH, dtype=np.float32))


def opened_where_cuda_says(message: str, monkeypatch: pytest.MonkeyPatch, provider: Provider = "cuda") -> None:
    """Open a graph for a GPU's provider on a machine where ONNX Runtime raises that."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(message)

    monkeypatch.setattr(ort, "get_available_providers", lambda: list(EXECUTION_PROVIDERS.values()))
    monkeypatch.setattr(ort, "InferenceSession", refuse)
    open_session(Graph(Path("m.onnx"), provider), 1, diagnose=lambda provider: f"mend {provider}")


@pytest.mark.parametrize(
    "said",
    [
        raised("CUDA failure 2: out of memory"),
        f"{ARENA}Failed to allocate memory for \
requested buffer of size 4096",
    ],
)
def test_a_full_gpu_does_not_start_and_says_what_to_do(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = r"^CUDAExecutionProvider does not start: (CUDA failure 2: out|Failed to).*no room for m.onnx.*GPU_MEMORY_MB"
    with pytest.raises(GpuFailedError, match=told):
        opened_where_cuda_says(said, monkeypatch)


def test_a_driver_that_fails_is_the_providers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "does not start: CUDA failure 802: system not yet initialized; mend cuda$"
    with pytest.raises(GpuFailedError, match=told):
        opened_where_cuda_says(raised("CUDA failure 802: system not yet initialized"), monkeypatch)


def test_a_machine_without_a_gpu_has_none_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderError, match="failure 100: no CUDA-capable device is detected; mend cuda") as caught:
        opened_where_cuda_says(raised("CUDA failure 100: no CUDA-capable device is detected"), monkeypatch)
    assert not isinstance(caught.value, GpuFailedError)


def test_tensorrt_without_its_libraries_is_a_provider_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    # ONNX Runtime raises this before it looks for its provider.
    message = (
        "/onnxruntime_src/onnxruntime/python/onnxruntime_pybind_state.cc:729 void onnxruntime::python::"
        "RegisterTensorRTPluginsAsCustomOps(PySessionOptions&, const onnxruntime::ProviderOptions&) Please install "
        "TensorRT libraries as mentioned in the GPU requirements page, make sure they're in the PATH.\n"
    )
    with pytest.raises(ProviderError, match="does not start: Please install TensorRT libraries; mend tensorrt") as told:
        opened_where_cuda_says(message, monkeypatch, "tensorrt")
    assert not isinstance(told.value, GpuFailedError)


def test_a_graph_that_does_not_load_is_broken_for_every_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match=r"cannot load m.onnx for CUDAExecutionProvider: .*Protobuf") as caught:
        opened_where_cuda_says("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Protobuf parsing failed.", monkeypatch)
    assert not isinstance(caught.value, ProviderError)


def test_on_a_cpu_memory_that_lacks_is_no_providers_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{ARENA}Failed to allocate memory for requested buffer of size 4096")

    monkeypatch.setattr(ort, "InferenceSession", refuse)
    with pytest.raises(BackendError, match="cannot load") as caught:
        open_session(Graph(tmp_path / "m.onnx"), 1)
    assert not isinstance(caught.value, ProviderError)
