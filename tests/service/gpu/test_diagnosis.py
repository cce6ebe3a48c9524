from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from service.gpu.diagnosis import DRIVER, GpuFacts, explain, read_facts

FINE = GpuFacts(("CUDAExecutionProvider", "CPUExecutionProvider"), "13.0", driver_cuda="13.1", devices=1)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (replace(FINE, offered=("CPUExecutionProvider",)), "built without it .* install the extra 'gpu'"),
        (replace(FINE, driver_cuda=None), "no NVIDIA driver"),
        (replace(FINE, driver_cuda="12.4"), "runs CUDA up to 12.4, .* built for CUDA 13.0"),
        (replace(FINE, devices=0), "sees no GPU"),
        (replace(FINE, missing_libraries=("libcublas.so.13",)), "libcublas.so.13 cannot be loaded"),
        (FINE, "seem to be there; what ONNX Runtime says, here or in its log"),
    ],
)
def test_the_first_thing_to_mend_is_named(facts: GpuFacts, told: str) -> None:
    assert re.search(told, explain("cuda", facts))


class FakeDriver:
    """`libcuda` of a driver that runs CUDA 12.4 and has some devices."""

    def __init__(self, devices: int) -> None:
        self._devices = devices

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 12040
        return 0

    def cuInit(self, _: int) -> int:
        return 0 if self._devices else 100

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self._devices
        return 0


@pytest.mark.parametrize("devices", [0, 2])
def test_the_driver_is_asked(devices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.cuda_version", "13.0")

    def load(name: str) -> FakeDriver:
        if name in (DRIVER, "libcudart.so.13"):
            return FakeDriver(devices)
        raise OSError(name)

    facts = read_facts("tensorrt", load)
    assert (facts.driver_cuda, facts.devices) == ("12.4", devices)
    assert facts.missing_libraries == (
        "libcublas.so.13",
        "libcublasLt.so.13",
        "libcurand.so.10",
        "libcudnn.so.9",
        "libnvinfer.so.10",
        "libnvonnxparser.so.10",
    )


def test_a_machine_without_a_driver_is_no_error() -> None:
    def nothing(name: str) -> Any:
        raise OSError(name)

    assert read_facts("cuda", nothing).driver_cuda is None
