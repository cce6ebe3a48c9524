from __future__ import annotations

from pathlib import Path

import pytest

from relevance.bundle import load_bundle
from training import untrained
from training.config import StudentSettings


def test_a_bundle_is_written_that_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained, "QUERIES", 8)
    settings = StudentSettings.model_validate({"kind": "split", "split": {"latent_width": 32}})
    untrained.write_untrained(tmp_path / "deep" / "bundle", settings)
    bundle = load_bundle(tmp_path / "deep" / "bundle")
    assert bundle.manifest.name == "not-distilled"
    assert bundle.manifest.split is not None and bundle.manifest.split.latent_width == 32
    assert "Not distilled" in (bundle.directory / "README.md").read_text()
