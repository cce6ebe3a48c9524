from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from relevance.catalogue import Catalogue
from tests.relevance.catalogue.hand_made import ENCODER, write_numbered


def remove_a_shard(place: Path) -> None:
    (place / "records-00001.bin").unlink()


def copy_a_shard(place: Path) -> None:
    shutil.copy(place / "records-00001.bin", place / "copy")
    (place / "copy").rename(place / "records-00001.bin")


def copy_the_manifest(place: Path) -> None:
    shutil.copy(place / "manifest.json", place / "copy")
    (place / "copy").rename(place / "manifest.json")


def move(place: Path) -> None:
    place.rename(place.with_name("moved"))
    place.symlink_to(place.with_name("moved"))


def turn_into_a_loop(place: Path) -> None:
    place.rename(place.with_name("moved"))
    place.symlink_to(place)


@pytest.mark.parametrize("change", [remove_a_shard, copy_a_shard, move, turn_into_a_loop])
def test_other_files_are_not_those_that_were_opened(tmp_path: Path, change: Callable[[Path], None]) -> None:
    place = write_numbered(tmp_path / "catalogue", 15)
    catalogue = Catalogue.open(place, ENCODER)
    assert catalogue.is_at(place)
    change(place)
    assert not catalogue.is_at(place)


def test_a_manifest_of_another_number_is_the_same_one(tmp_path: Path) -> None:
    place = write_numbered(tmp_path / "catalogue", 15)
    catalogue = Catalogue.open(place, ENCODER)
    copy_the_manifest(place)
    assert catalogue.is_at(place)


def test_a_link_to_them_leads_to_those_that_were_opened(tmp_path: Path) -> None:
    catalogue = Catalogue.open(write_numbered(tmp_path / "catalogue", 15), ENCODER)
    (tmp_path / "link").symlink_to(tmp_path / "catalogue")
    assert catalogue.is_at(tmp_path / "link")
