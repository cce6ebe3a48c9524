"""The bench itself, in a few tiny rounds against real services of the tiny bundle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest.bench import __main__ as program
from loadtest.bench.arena import Pace
from loadtest.bench.options import Options
from loadtest.peers.environments import Environment
from loadtest.peers.launch import PEERS, Peer
from loadtest.server import Launch, free_port
from loadtest.systems import Infinity
from relevance.bundle import Bundle
from tests.tiny_split import write_split_bundle

OF_A_CROSS_ENCODER = tuple(name for name in program.LOADS if name not in program.OF_SPLITS)
TINY = Pace(rounds=2, seconds=0.1, open_seconds=0.2, warm_up_seconds=0.02, trial_seconds=0.02, memory_requests=40)


@pytest.fixture(scope="module")
def finished(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Every load, and the curve, without peers."""
    curve = tmp_path_factory.mktemp("bench") / "curve.png"
    missing = {"infinity": "not asked for"}
    options = Options(bundle.directory, OF_A_CROSS_ENCODER, (), missing, TINY, curve)
    return program.bench(options), curve


def test_every_load_has_its_headline_and_json_can_hold_it(finished: tuple[dict[str, Any], Path]) -> None:
    report = json.loads(json.dumps(finished[0], allow_nan=False))
    assert list(report["loads"]) == list(OF_A_CROSS_ENCODER)
    assert report["missing"] == {"infinity": "not asked for"}
    assert report["machine"]["cores"] >= 1
    figures = {name: load["figure"] for name, load in report["loads"].items()}
    assert figures == {
        **dict.fromkeys(("c50x8", "c1x1", "c10x4", "c10x1"), "pairs_per_s"),
        "mixed": "small_p99_ms",
        "overload": "goodput_to_aisles_capacity",
        "token_cache": "tokenize_ms",
        "candidate_cache": "tokenize_ms",
        "score_cache": "pairs_per_s",
        "caches": "pairs_per_s",
        "memory": "resident_mb",
    }


def test_closed_loads_compare_the_service_with_the_graph(finished: tuple[dict[str, Any], Path]) -> None:
    for name in ("c50x8", "c1x1", "c10x4", "c10x1"):
        load = finished[0]["loads"][name]
        # The tiny graph takes no time beside HTTP.
        assert 0 < load["aisle"] < load["raw"]
        assert load["aisle_to_this"]["raw"] < 1
        assert len(load["rounds"]["aisle"]) == TINY.rounds
        assert load["p50_ms"]["aisle"] <= load["p99_ms"]["aisle"]
    one = finished[0]["loads"]["c1x1"]
    assert one["graph_ms"] == one["p50_ms"]["raw"]
    assert one["aisle_p50_minus_graph_ms"] > 0


def test_open_loads_answer_or_say_so(finished: tuple[dict[str, Any], Path]) -> None:
    mixed, overload = (finished[0]["loads"][name] for name in ("mixed", "overload"))
    assert mixed["small_requests"]["aisle"] > 0
    assert mixed["offered_pairs_per_s"] == pytest.approx(0.7 * mixed["capacity_pairs_per_s"]["aisle"], rel=0.001)
    assert overload["deadline_ms"] == 200
    answered, refused = overload["answered_share"]["aisle"], overload["refused_share"]["aisle"]
    assert answered + refused == pytest.approx(1.0, abs=0.002)


def test_caches_are_compared_with_none(finished: tuple[dict[str, Any], Path]) -> None:
    for name in ("token_cache", "candidate_cache", "score_cache", "caches"):
        load = finished[0]["loads"][name]
        assert load["off"] > 0
        assert load["on"] > 0
        assert load["on_to_off"] > 0
    memory = finished[0]["loads"]["memory"]
    assert memory["growth"] == pytest.approx(memory["after"] - memory["before"], abs=0.11)
    assert (memory["requests"], memory["warm_up"]) == (40, 2)


def test_the_curve_is_drawn_over_rising_loads(finished: tuple[dict[str, Any], Path]) -> None:
    report, path = finished
    loads = [point["pairs_per_s"] for point in report["curve"]["aisle"]]
    assert loads == sorted(loads)
    assert len(loads) >= 1
    assert path.read_bytes().startswith(b"\x89PNG")


def test_tables_come_first_and_one_line_of_json_last(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quick", "--rounds", "1", "--seconds", "0.05", "--only", "memory", "--memory-requests", "20"]
    assert program.main([*arguments, "--peers", "none", "--bundle", str(bundle.directory)]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert "infinity is not measured: not asked for" in lines
    assert any(line.startswith("| memory: 20 requests") for line in lines)
    assert json.loads(last)["loads"]["memory"]["requests"] == 20


def test_a_peer_that_does_not_start_ends_the_bench(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def launch(_: Environment, model: Path) -> Launch:
        command = (sys.executable, "-c", f"import sys; sys.exit('cannot read {model}')")
        return Launch("infinity", command, free_port(), "/health")

    monkeypatch.setattr(Environment, "missing", lambda self: None)
    monkeypatch.setitem(PEERS, "infinity", Peer(Infinity, launch))
    assert program.main(["--quick", "--peers", "infinity", "--bundle", str(bundle.directory)]) == 1
    assert "error: infinity ended with code 1 before it was ready: cannot read" in capsys.readouterr().err


def test_a_bundle_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--quick", "--peers", "none", "--bundle", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/manifest.json is not there")


@pytest.mark.parametrize("option", ["--bundle", "--split"])
def test_a_bundle_of_the_other_kind_is_told_before_anything_starts(
    option: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "opened", lambda *_: pytest.fail("started too soon"))
    named = bundle.directory if option == "--split" else write_split_bundle(tmp_path / "split").directory
    arguments = ["--only", "c1x1,split_zipf", "--peers", "none", "--bundle", str(bundle.directory)]
    assert program.main([*arguments, option, str(named)]) == 1
    other = "--bundle" if option == "--split" else "--split"
    err = capsys.readouterr().err
    assert err.startswith(f"error: {named} is a ")
    assert f"{option} takes a " in err
    assert f"use {other}\n" in err
