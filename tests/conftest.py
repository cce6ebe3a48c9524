"""Fixtures of more than one folder of tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from relevance.bundle import Bundle, Precision

# Before torch is imported, and for the processes that tests start. Tiny models gain nothing by more threads, and
# where the cores have other work, too, each operation waits for the slowest: evaluations took ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SplitBundles = Callable[..., "Bundle"]


@pytest.fixture(scope="session")
def split_bundles(tmp_path_factory: pytest.TempPathFactory) -> SplitBundles:
    """Bundles of the tiny split student by the arguments of `write_split_bundle`, each exported once: only to be read.

    Every time one is asked for, its files' digests are checked: a test that writes into one is found out.
    """
    # Not above, where tests that need no model would wait for torch.
    from relevance.bundle import load_bundle
    from tests.tiny_split import write_split_bundle

    folder = tmp_path_factory.mktemp("split-bundles")

    def bundle_of(joint_layers: int = 1, seed: int = 0, precisions: tuple[Precision, ...] = ("int8",)) -> Bundle:
        directory = folder / f"{joint_layers}-{seed}-{'-'.join(precisions)}"
        if directory.exists():
            return load_bundle(directory)
        return write_split_bundle(directory, joint_layers, seed, precisions)

    return bundle_of
