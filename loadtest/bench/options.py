"""The command line of the bench, and what it comes down to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadtest.bench.arena import Pace
from loadtest.bench.plot import ENDINGS
from loadtest.measured_service import DEFAULT_BUNDLE
from loadtest.option_types import positive
from loadtest.peers.environments import Environment
from loadtest.peers.launch import PEERS

FULL = Pace()
QUICK = Pace(rounds=3, seconds=0.8, open_seconds=3.0, warm_up_seconds=0.3, trial_seconds=0.5, memory_requests=500)
QUICK_LOADS = ("c50x8", "c1x1", "c10x4")
NO_PEERS = "none"
SPLIT = "split"
"""Stands for all loads of the split student."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run. `missing` says of every peer that is not measured why."""

    bundle: Path
    loads: tuple[str, ...]
    peers: tuple[str, ...]
    missing: dict[str, str]
    pace: Pace
    curve: Path | None
    split: Path = DEFAULT_BUNDLE


def parse_options(arguments: Sequence[str] | None, description: str | None, loads: Sequence[str]) -> Options:
    """Read the command line; a wrong one, or a peer that is asked for and not installed, ends the program."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=description)
    parser.add_argument(
        "--bundle", type=Path, default=Path("models/cross-encoder"), help="the graph that peers serve, too; %(default)s"
    )
    parser.add_argument("--quick", action="store_true", help=f"short rounds of {', '.join(QUICK_LOADS)}")
    parser.add_argument(
        "--split", type=Path, metavar="BUNDLE", help=f"for the loads {SPLIT}_…; default: {DEFAULT_BUNDLE}"
    )
    parser.add_argument("--only", metavar="LOAD,…", help=f"of {', '.join(loads)}; {SPLIT}: all of {SPLIT}_…")
    parser.add_argument(
        "--peers", metavar="NAME,…", help=f"{NO_PEERS}, or of {', '.join(PEERS)}; default: all installed"
    )
    parser.add_argument("--rounds", type=positive(int), help=f"{FULL.rounds}; {QUICK.rounds} if quick")
    parser.add_argument("--seconds", type=positive(float), help="length of each system's round in a closed loop")
    parser.add_argument("--open-seconds", type=positive(float), help="the same in an open loop")
    parser.add_argument("--memory-requests", type=positive(int), help=f"{FULL.memory_requests}")
    parser.add_argument("--curve", type=Path, metavar="FILE.png|svg", help="plot latency against offered load, too")
    given = parser.parse_args(arguments)
    asked = tuple(PEERS) if given.peers is None else _peers(parser, given.peers)
    absent = {name: reason for name in asked if (reason := Environment(name).missing())}
    _check_curve(parser, given.curve)
    if given.peers and absent:
        parser.error("; ".join(f"{name}: {reason}" for name, reason in absent.items()))
    return Options(
        bundle=given.bundle,
        loads=_loads(parser, given, loads),
        peers=tuple(name for name in asked if name not in absent),
        missing={name: "not asked for" for name in PEERS if name not in asked} | absent,
        pace=_pace(given),
        curve=given.curve,
        split=given.split or DEFAULT_BUNDLE,
    )


def _check_curve(parser: argparse.ArgumentParser, file: Path | None) -> None:
    """It is drawn last: what would be wrong then would lose every load before it."""
    if file is None:
        return
    if file.suffix not in ENDINGS:
        parser.error(f"--curve takes a file that ends in {' or '.join(ENDINGS)}, got {file}")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        parser.error(f"--curve: cannot write {file}; is its folder there, and yours?")


def _loads(parser: argparse.ArgumentParser, given: argparse.Namespace, loads: Sequence[str]) -> tuple[str, ...]:
    if given.quick and not given.only:
        return QUICK_LOADS
    splits = tuple(load for load in loads if SPLIT in load.split("_"))
    asked = ",".join(load for load in splits if load.startswith(SPLIT)) if given.only == SPLIT else given.only
    chosen = _chosen(parser, asked, loads) if asked else tuple(loads)
    if given.split is None:
        return chosen if asked else tuple(load for load in chosen if load not in splits)
    return chosen


def _peers(parser: argparse.ArgumentParser, given: str) -> tuple[str, ...]:
    return () if given == NO_PEERS else _chosen(parser, given, tuple(PEERS))


def _chosen(parser: argparse.ArgumentParser, given: str, known: Sequence[str]) -> tuple[str, ...]:
    names = given.split(",")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
    return tuple(name for name in known if name in names)


def _pace(given: argparse.Namespace) -> Pace:
    fields = ("rounds", "seconds", "open_seconds", "memory_requests")
    set_ones = {name: value for name in fields if (value := getattr(given, name)) is not None}
    return replace(QUICK if given.quick else FULL, **set_ones)
