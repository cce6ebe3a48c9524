"""Fixtures of tests that start the real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.tiny_bundle import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the tiny cross-encoder's bundle, only to be read."""
    return write_bundle(tmp_path_factory.mktemp("bundle")).directory
