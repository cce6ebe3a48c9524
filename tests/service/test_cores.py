from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.cores import usable_cores

ALLOWED = len(os.sched_getaffinity(0))


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == ALLOWED


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
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", ALLOWED), ("100000", 1)])
def test_a_quota_of_cgroup_1_bounds_it(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores
