from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from loadtest.bench import machine as module
from loadtest.bench.machine import describe_machine


def test_the_processor_is_named(tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text("processor\t: 0\nmodel name\t: Abacus 9000\n\nprocessor\t: 1\nmodel name\t: Abacus 9000\n")
    machine = describe_machine(cpu_info)
    assert machine["cpu"] == "Abacus 9000"
    assert machine["cores"] >= 1
    assert describe_machine(tmp_path / "none")["cpu"]


@pytest.mark.parametrize(
    "installed", [{}, {"onnxruntime": "1.31.1"}, {"onnxruntime-gpu": "1.31.1"}], ids=["none", "cpu", "gpu"]
)
def test_the_runtime_that_is_installed_is_named_and_none_is_no_error(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator on its own machine has none; a load that was sent must not be lost for it."""

    def version(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError(package)
        return installed[package]

    monkeypatch.setattr(module, "version", version)
    machine = describe_machine()
    assert {name: told for name, told in machine.items() if name.startswith("onnxruntime")} == installed
