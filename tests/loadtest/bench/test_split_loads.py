from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.bench import split_loads
from loadtest.bench.__main__ import main
from loadtest.bench.options import parse_options
from loadtest.bench.split_arena import shop
from loadtest.bench.split_loads import SPLIT_LOADS
from loadtest.raw_split import RawSplit
from tests.conftest import SplitBundles
from tests.service.tiny_bundle import write_bundle

LOADS = ("c50x8", "mixed", *SPLIT_LOADS, "memory_split")
PACE = ["--rounds", "1", "--seconds", "0.2", "--open-seconds", "0.2", "--memory-requests", "40"]


def test_split_stands_for_all_of_its_loads_and_is_left_out_where_it_is_not_asked_for() -> None:
    assert parse_options(["--only", "split"], None, LOADS).loads == tuple(SPLIT_LOADS)
    assert parse_options([], None, LOADS).loads == ("c50x8", "mixed")
    assert parse_options(["--split", "x"], None, LOADS).loads == LOADS


def test_every_split_load_is_measured_on_real_services(
    split_bundles: SplitBundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Every load meets the products of all its requests once before it is measured.
    monkeypatch.setattr(split_loads, "BODIES", 8)
    cross, split = write_bundle(tmp_path / "cross").directory, split_bundles().directory
    given = ["--bundle", str(cross), "--split", str(split), "--peers", "none", "--only", ",".join(LOADS[2:]), *PACE]
    assert main(given) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(report["loads"]) == {*SPLIT_LOADS, "memory_split"}
    memory = report["loads"].pop("memory_split")
    assert memory["growth"] == pytest.approx(memory["after"] - memory["before"], abs=0.11)
    for name, load in report["loads"].items():
        assert load["aisle"] > 0, name
    assert report["loads"]["split_warm_c50x8"]["raw"] > 0
    assert report["loads"]["split_cold_c50x8"]["cross_encoder"] > 0


def test_the_joint_graph_is_driven_with_a_row_for_each_pair(split_bundles: SplitBundles) -> None:
    drive = RawSplit(split_bundles(), shop(20, 200).bodies(2)).ceiling(0.02)
    assert drive.batch in {20, 10, 5}
    measured = drive.measure(0.05)
    assert measured.pairs == drive.batch * len(measured.latencies) > 0


def test_parts_of_a_list_are_of_like_length_and_lose_nobody(split_bundles: SplitBundles) -> None:
    (each,) = RawSplit(split_bundles(), shop(20, 200).bodies(1))._lists
    parts = each.parts(5)
    lengths = [length for part in parts for length in part["product_lengths"].tolist()]
    assert lengths == sorted(map(len, each.records))
    assert all(part["product_latents"].shape[1] == part["product_lengths"].max() for part in parts)
