from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from service.cores import processor_name, usable_cores

ALLOWED = len(os.sched_getaffinity(0))


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(cgroup=tmp_path) == ALLOWED


def test_it_can_be_told_to_use_fewer(tmp_path: Path) -> None:
    assert usable_cores(1, tmp_path) == 1
    assert usable_cores(ALLOWED + 5, tmp_path) == ALLOWED


@pytest.mark.parametrize(
    ("content", "cores"),
    [
        ("max 100000", ALLOWED),
        ("100000 100000", 1),
        ("150000 100000", 1),
        ("20000 100000", 1),
        ("99900000 100000", ALLOWED),
        ("garbage", ALLOWED),
    ],
)
def test_a_quota_of_cgroup_2_bounds_it(tmp_path: Path, content: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert usable_cores(cgroup=tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", ALLOWED), ("100000", 1)])
def test_a_quota_of_cgroup_1_bounds_it(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(cgroup=tmp_path) == cores


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU 9000\nmodel name\t: Another\n"
    )
    assert processor_name(cuda=False, proc=tmp_path) == "Some CPU 9000"


def test_with_cuda_it_is_the_gpus(tmp_path: Path) -> None:
    for bus, model in (("0000:01", "Big GPU"), ("0000:02", "Small GPU")):
        folder = tmp_path / "driver/nvidia/gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 33\n")
    assert processor_name(cuda=True, proc=tmp_path) == "Big GPU, Small GPU"


@pytest.mark.parametrize("cuda", [False, True])
def test_where_the_kernel_tells_nothing_it_is_the_architecture(tmp_path: Path, cuda: bool) -> None:
    assert processor_name(cuda, proc=tmp_path) == platform.machine()
