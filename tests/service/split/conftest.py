from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from export.catalogue_build import build_catalogue
from export.product_encoder import open_encoder
from export.product_file import ProductFile
from relevance.bundle import Bundle
from service.app import create_service
from service.engine import load
from service.settings import Settings
from tests.conftest import SplitBundles
from tests.service.app_client import AppClient, running
from tests.tiny_split import TITLES

ServeSplit = Callable[..., AppClient]


@pytest.fixture(scope="session")
def split_bundle(split_bundles: SplitBundles) -> Bundle:
    return split_bundles()


@pytest.fixture
def serve_split(split_bundle: Bundle) -> Iterator[ServeSplit]:
    """Starts apps of the split bundle and gives clients of them; arguments are settings."""
    with ExitStack() as stack:

        def start(**settings: object) -> AppClient:
            sessions = {} if settings.get("buckets") == "on" else {"sessions": 1}
            given = {"bundle": split_bundle.directory, **sessions, **settings}
            return stack.enter_context(running(create_service(load(Settings.model_validate(given)))))

        yield start


def write_catalogue(directory: Path, bundle: Bundle, titles: dict[str, str] | None = None) -> Path:
    """A catalogue of these titles by id; by default p0, p1 … of TITLES."""
    titles = titles or {f"p{row}": title for row, title in enumerate(TITLES)}
    file = directory.with_suffix(".jsonl")
    file.write_text("".join(f'{{"id": "{key}", "title": "{title}"}}\n' for key, title in titles.items()))
    build_catalogue(ProductFile(file), directory, open_encoder(bundle.directory))
    return directory
