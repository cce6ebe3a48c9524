from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.bench.options import FULL, QUICK, QUICK_LOADS, Options, parse_options
from loadtest.peers.environments import MARKER, Environment
from relevance.bundle import sha256_of

LOADS = (*QUICK_LOADS, "mixed")


@pytest.fixture(autouse=True)
def only_infinity_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = Environment("infinity")
    environment.directory.mkdir(parents=True)
    (environment.directory / MARKER).write_text(sha256_of(environment.requirements))


def parse(*arguments: str) -> Options:
    return parse_options(arguments, None, LOADS)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        parse(*arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_installed_peers_take_part_and_the_others_are_named() -> None:
    options = parse()
    assert options.peers == ("infinity",)
    assert options.missing == {"sentence-transformers": "not installed; run `make bench-peers`"}
    assert (options.loads, options.pace) == (LOADS, FULL)


def test_no_peers_is_said_as_well() -> None:
    options = parse("--peers", "none")
    assert options.peers == ()
    assert options.missing == {"infinity": "not asked for", "sentence-transformers": "not asked for"}


def test_a_peer_that_is_asked_for_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse("--peers", "infinity").peers == ("infinity",)
    message = refusal(capsys, "--peers", "infinity,sentence-transformers")
    assert "sentence-transformers: not installed; run `make bench-peers`" in message


def test_quick_is_the_three_closed_loads_in_short_rounds() -> None:
    options = parse("--quick")
    assert (options.loads, options.pace) == (QUICK_LOADS, QUICK)


def test_loads_and_lengths_can_be_chosen() -> None:
    options = parse("--quick", "--only", "mixed,c1x1", "--rounds", "2", "--seconds", "0.5", "--curve", "curve.png")
    assert options.loads == ("c1x1", "mixed")
    assert (options.pace.rounds, options.pace.seconds) == (2, 0.5)
    assert options.pace.open_seconds == QUICK.open_seconds
    assert options.curve == Path("curve.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "c50x9"), "unknown: c50x9; known are c50x8, c1x1, c10x4, mixed"),
        (("--peers", "tei"), "unknown: tei; known are infinity, sentence-transformers"),
        (("--rounds", "0"), "argument --rounds: takes a number above 0, got 0"),
        (("--seconds", "-1"), "argument --seconds: takes a number above 0, got -1"),
        (("--curve", "curve.foo"), "--curve takes a file that ends in .png or .svg, got curve.foo"),
        (("--curve", "none/curve.png"), "--curve: cannot write none/curve.png; is its folder there, and yours?"),
        (("--curve", ".venv-peers"), "--curve takes a file that ends in"),
        (("--seconds", "nan"), "argument --seconds: takes a number above 0, got nan"),
    ],
)
def test_a_wrong_command_line_is_refused(
    arguments: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(capsys, *arguments)
