from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from service.catalogue_reload import CatalogueFollower
from service.product_store import ProductStore
from tests.relevance.catalogue.hand_made import ENCODER, key_of, write, write_numbered


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


def follower_of(directory: Path) -> tuple[ProductStore, CatalogueFollower]:
    store = ProductStore(0)
    return store, CatalogueFollower(store, directory, ENCODER)


def replace(directory: Path, new: Path) -> None:
    shutil.rmtree(directory)
    new.rename(directory)


def test_the_first_catalogue_is_used_once_it_is_there(directory: Path) -> None:
    store, follower = follower_of(directory)
    assert not follower.reload_if_changed()
    write_numbered(directory, 3)
    assert follower.reload_if_changed()
    assert store.find(["p1"]) == [key_of("text 1")]
    assert not follower.reload_if_changed()


def test_a_new_catalogue_takes_over(directory: Path, tmp_path: Path) -> None:
    store, follower = follower_of(write_numbered(directory, 3))
    follower.reload_if_changed()
    replace(directory, write(tmp_path / "new", [("p1", "changed")]))
    assert follower.reload_if_changed()
    assert store.find(["p1", "p0"]) == [key_of("changed"), None]


@pytest.mark.parametrize("fault", ["cut", "encoder", "gone", "manifest"])
def test_a_broken_one_leaves_the_old_one_in_use_and_is_told_once(
    directory: Path, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, follower = follower_of(write_numbered(directory, 3))
    follower.reload_if_changed()
    replace(directory, write_numbered(tmp_path / "new", 5, "encoder-2" if fault == "encoder" else ENCODER))
    if fault == "cut":
        os.truncate(directory / "records-00000.bin", 7)
    elif fault == "gone":
        shutil.rmtree(directory)
    elif fault == "manifest":
        (directory / "manifest.json").write_text("{", encoding="utf-8")
    assert [follower.reload_if_changed() for _ in range(3)] == [False] * 3
    assert None not in store.get([key_of(f"text {n}") for n in range(3)])
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.message == "the catalogue cannot be used, the one opened before stays"
    told = vars(record)["fields"]
    assert (told["directory"], told["products_in_use"]) == (str(directory), 3)
    assert str(directory) in told["reason"]


def test_one_that_was_broken_is_used_once_it_is_whole(directory: Path, tmp_path: Path) -> None:
    store, follower = follower_of(write_numbered(directory, 3))
    follower.reload_if_changed()
    replace(directory, write_numbered(tmp_path / "new", 5))
    shard = directory / "records-00000.bin"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    assert not follower.reload_if_changed()
    shard.write_bytes(content)
    assert follower.reload_if_changed()
    assert None not in store.find(["p4"])
