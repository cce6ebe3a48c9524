from __future__ import annotations

from pathlib import Path

from loadtest.bench.machine import describe_machine


def test_the_processor_is_named(tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text("processor\t: 0\nmodel name\t: Abacus 9000\n\nprocessor\t: 1\nmodel name\t: Abacus 9000\n")
    machine = describe_machine(cpu_info)
    assert machine["cpu"] == "Abacus 9000"
    assert machine["cores"] >= 1
    assert describe_machine(tmp_path / "none")["cpu"]
