from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path
from unittest.mock import Mock

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


Used = tuple[ProductStore, CatalogueFollower]
KEYS = [key_of(f"text {n}") for n in range(3)]


def damage(directory: Path) -> bytes:
    """Cut the records in place; gives what was in the file."""
    shard = directory / "records-00000.bin"
    content = shard.read_bytes()
    os.truncate(shard, 0)
    return content


def flip(directory: Path) -> None:
    """Damage a record in place, so that the file has its size."""
    shard = directory / "records-00000.bin"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    with shard.open("r+b") as file:
        file.write(content)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "service.catalogue_reload"]


@pytest.fixture
def used(directory: Path, caplog: pytest.LogCaptureFixture) -> Used:
    """A catalogue of three products, in use."""
    store, follower = follower_of(write_numbered(directory, 3))
    follower.reload_if_changed()
    caplog.set_level(logging.INFO)
    caplog.clear()
    return store, follower


def test_a_file_that_is_restored_by_rename_is_used(
    directory: Path, used: Used, caplog: pytest.LogCaptureFixture
) -> None:
    store, follower = used
    content = damage(directory)
    assert store.get(KEYS) == [None] * 3
    assert [follower.reload_if_changed() for _ in range(2)] == [False, False]
    (directory / "copy").write_bytes(content)
    (directory / "copy").rename(directory / "records-00000.bin")
    assert [follower.reload_if_changed() for _ in range(2)] == [True, False]
    assert None not in store.get(KEYS)
    assert messages(caplog) == [
        "the catalogue cannot be used, the one opened before stays",
        "the catalogue was opened again",
    ]


def test_the_same_catalogue_elsewhere_is_used(directory: Path, used: Used, tmp_path: Path) -> None:
    store, follower = used
    shutil.copytree(directory, tmp_path / "copy")
    damage(directory)
    directory.rename(tmp_path / "damaged")
    directory.symlink_to(tmp_path / "copy")
    assert [follower.reload_if_changed() for _ in range(2)] == [True, False]
    assert None not in store.get(KEYS)


def test_an_identical_rebuild_in_its_place_is_used(directory: Path, used: Used, tmp_path: Path) -> None:
    store, follower = used
    damage(directory)
    replace(directory, write_numbered(tmp_path / "new", 3))
    assert [follower.reload_if_changed() for _ in range(2)] == [True, False]
    assert None not in store.get(KEYS)


def test_damage_that_stays_is_tried_once(directory: Path, used: Used, caplog: pytest.LogCaptureFixture) -> None:
    store, follower = used
    flip(directory)
    looked = [(store.get(KEYS).count(None), follower.reload_if_changed()) for _ in range(4)]
    assert looked == [(1, True), (1, False), (1, False), (1, False)]
    assert messages(caplog) == ["the catalogue was opened again"]
    flip(directory)
    assert None not in store.get(KEYS)


def test_descriptors_that_went_stale_are_replaced(used: Used, monkeypatch: pytest.MonkeyPatch) -> None:
    store, follower = used
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", Mock(side_effect=OSError(errno.ESTALE, "Stale file handle")))
        assert store.get(KEYS) == [None] * 3
    before = store.disk.catalogue
    assert follower.reload_if_changed()
    assert store.disk.catalogue is not before


def test_a_rollback_is_told_and_the_next_refusal_too(
    directory: Path, used: Used, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, follower = used
    write_numbered(tmp_path / "alien", 3, "encoder-2")
    seen = []
    for _ in range(2):
        directory.rename(tmp_path / "kept")
        (tmp_path / "alien").rename(directory)
        follower.reload_if_changed()
        seen.append(follower.refused)
        directory.rename(tmp_path / "alien")
        (tmp_path / "kept").rename(directory)
        follower.reload_if_changed()
        seen.append(follower.refused)
    assert seen == [True, False] * 2
    assert (
        messages(caplog)
        == [
            "the catalogue cannot be used, the one opened before stays",
            "the catalogue in use is in its directory again",
        ]
        * 2
    )
