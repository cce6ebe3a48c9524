"""Fixtures: the tiny bundle."""

from __future__ import annotations

import pytest

from relevance.bundle import Bundle
from tests.service.tiny_bundle import write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny bundle."""
    return write_bundle(tmp_path_factory.mktemp("bundle"))
