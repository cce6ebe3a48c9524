"""The house has floors, and imports go down only: relevance ← service, export, loadtest ← training."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "relevance": {"relevance"},
    "service": {"relevance", "service"},
    "export": {"relevance", "export"},
    "loadtest": {"relevance", "loadtest"},
    "training": {"relevance", "export", "training"},
}
HEAVY = {"torch", "transformers", "optimum", "onnx", "pyarrow", "sentence_transformers"}
OF_A_PEER = ROOT / "loadtest" / "peers" / "sentence_transformers_server.py"
"""Runs in that peer's own environment."""


def imports_of(path: Path) -> Iterator[str]:
    """Top-level name of everything that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("floor", MAY_IMPORT)
def test_no_import_runs_up_a_floor(floor: str) -> None:
    files = list((ROOT / floor).rglob("*.py"))
    assert files
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports_of(path)
        if name in MAY_IMPORT and name not in MAY_IMPORT[floor]
    }
    assert not wrong


@pytest.mark.parametrize("floor", ["relevance", "service", "loadtest"])
def test_what_is_deployed_names_no_training_library(floor: str) -> None:
    files = [path for path in (ROOT / floor).rglob("*.py") if path != OF_A_PEER]
    wrong = {f"{path.name} imports {name}" for path in files for name in imports_of(path) if name in HEAVY}
    assert not wrong


def test_starting_the_service_loads_no_training_library() -> None:
    # Through any chain of imports, in a fresh interpreter.
    code = "import sys, service.start, service.serving; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(loaded.stdout.split())
