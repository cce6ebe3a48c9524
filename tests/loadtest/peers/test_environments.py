from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtest.peers import __main__ as peers
from loadtest.peers.environments import MARKER, Environment, peer_names
from loadtest.peers.launch import PEERS
from relevance.bundle import sha256_of


class Recorder:
    """In the place of `subprocess.run`: notes commands, and lets them all end with `code`."""

    def __init__(self, code: int = 0) -> None:
        self.commands: list[list[str]] = []
        self.returncode = code

    def __call__(self, command: list[str], check: bool) -> Recorder:
        self.commands.append(command)
        # What `python -m venv` would do.
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        return self


def recorder(monkeypatch: pytest.MonkeyPatch, code: int = 0) -> Recorder:
    made = Recorder(code)
    monkeypatch.setattr("loadtest.peers.environments.subprocess.run", made)
    return made


def test_every_peer_can_be_installed_and_started() -> None:
    assert set(peer_names()) == set(PEERS)


@pytest.mark.parametrize("name", PEERS)
def test_every_requirement_has_an_exact_version(name: str) -> None:
    lines = Environment(name).requirements.read_text().splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in pinned)
    ours = {line for line in Path("constraints.txt").read_text().splitlines() if line.startswith("onnxruntime==")}
    assert ours <= set(pinned)


def test_installing_makes_it_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, environment = recorder(monkeypatch), Environment("infinity", tmp_path)
    assert environment.missing() == "not installed; run `make bench-peers`"
    environment.install()
    assert environment.missing() is None
    venv, pip = made.commands
    assert venv[1:] == ["-m", "venv", "--clear", str(tmp_path / "infinity")]
    assert pip[0] == str(tmp_path / "infinity/bin/python")
    assert pip[-2:] == ["--requirement", str(environment.requirements)]


def test_a_failed_install_leaves_nothing_to_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder(monkeypatch, code=2)
    environment = Environment("infinity", tmp_path)
    with pytest.raises(RuntimeError, match="ended with code 2"):
        environment.install()
    assert environment.missing() is not None


def test_other_versions_than_are_named_now_are_not_used(tmp_path: Path) -> None:
    environment = Environment("infinity", tmp_path)
    environment.directory.mkdir()
    (environment.directory / MARKER).write_text(sha256_of(Environment("sentence-transformers").requirements))
    assert "installed from other versions than infinity.txt names" in str(environment.missing())


def test_the_command_installs_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recorder(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert peers.main(["install", "infinity"]) == 0
    assert len(made.commands) == 2
    assert peers.main(["install"]) == 0
    assert "infinity: installed in .venv-peers/infinity" in capsys.readouterr().out
    assert len(made.commands) == 4


def test_the_command_tells_of_a_failed_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder(monkeypatch, code=1)
    monkeypatch.chdir(tmp_path)
    assert peers.main(["install"]) == 1
    assert capsys.readouterr().err.startswith("error: `")


def test_the_command_knows_the_peers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        peers.main(["install", "tei"])
    assert "unknown peer tei; known are infinity, sentence-transformers" in capsys.readouterr().err
