"""Where peers are installed: one virtual environment each, made from a file of pinned requirements."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from relevance.bundle import sha256_of

ENVIRONMENTS = Path(".venv-peers")
REQUIREMENTS = Path(__file__).parent / "requirements"
MARKER = "installed.sha256"


@dataclass(frozen=True, slots=True)
class Environment:
    """The virtual environment of one peer below `root`."""

    peer: str
    root: Path = ENVIRONMENTS

    @property
    def directory(self) -> Path:
        """The environment itself."""
        return self.root / self.peer

    @property
    def requirements(self) -> Path:
        """What is installed in it, each with its exact version."""
        return REQUIREMENTS / f"{self.peer}.txt"

    def program(self, name: str) -> str:
        """Path of a program that is installed in it."""
        return str(self.directory / "bin" / name)

    def missing(self) -> str | None:
        """Why it cannot be used, and what to do; None if it can."""
        marker = self.directory / MARKER
        if not marker.is_file():
            return "not installed; run `make bench-peers`"
        if marker.read_text() != sha256_of(self.requirements):
            return f"installed from other versions than {self.requirements.name} names; run `make bench-peers` again"
        return None

    def install(self) -> None:
        """Make it anew; RuntimeError if that fails."""
        _run([sys.executable, "-m", "venv", "--clear", str(self.directory)])
        pip = [self.program("python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "--requirement", str(self.requirements)])
        # Last: a killed install is no environment.
        (self.directory / MARKER).write_text(sha256_of(self.requirements))


def peer_names() -> tuple[str, ...]:
    """The peers that there are requirements for."""
    return tuple(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))


def _run(command: list[str]) -> None:
    if (ended := subprocess.run(command, check=False)).returncode:
        raise RuntimeError(f"`{' '.join(command)}` ended with code {ended.returncode}; its output above says why")
