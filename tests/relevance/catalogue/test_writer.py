from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from relevance.catalogue import Catalogue, CatalogueError, CatalogueWriter
from relevance.product_record import ProductRecord
from tests.relevance.catalogue.hand_made import ENCODER, WIDTH, key_of, record_of, same, write, write_numbered


def writer_in(directory: Path, source: str = "", encoder_version: str = ENCODER) -> CatalogueWriter:
    return CatalogueWriter(directory, encoder_version, WIDTH, source, products_per_shard=10)


def add(writer: CatalogueWriter, numbers: range) -> None:
    keys = [key_of(f"text {n}") for n in numbers]
    writer.add([f"p{n}" for n in numbers], keys, [record_of(key) for key in keys])


def content_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_block_larger_than_a_shard_fills_several(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    add(writer, range(35))
    assert writer.products == 30
    manifest = writer.finish()
    assert (manifest.products, manifest.records, manifest.shards) == (35, 35, 4)
    assert content_of(tmp_path) == content_of(write_numbered(tmp_path / "one by one", 35))


def test_a_build_that_was_stopped_goes_on_behind_its_last_finished_shard(tmp_path: Path) -> None:
    # As a kill leaves it: its third shard is half written and has no index.
    stopped = tmp_path / "stopped"
    with closing(writer_in(tmp_path / "running")) as running:
        add(running, range(27))
        shutil.copytree(tmp_path / "running", stopped)
    assert (stopped / "records-00002.bin.partial").exists()
    # A kill between a shard and its index leaves the shard.
    (stopped / "records-00002.bin").write_bytes(b"half")
    before = (stopped / "records-00000.bin").stat().st_ino

    resumed = writer_in(stopped)
    assert resumed.products == 20
    add(resumed, range(20, 35))
    resumed.finish()
    assert (stopped / "records-00000.bin").stat().st_ino == before
    assert content_of(stopped) == content_of(write_numbered(tmp_path / "whole", 35))


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("step", range(16))
def test_killed_at_any_step_it_ends_up_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    # Each file is written, reaches the disk, gets its name, and then the name reaches the disk: every second step
    # is before a rename and the others are behind one.
    steps, killed = itertools.count(), tmp_path / "killed"

    def kill(descriptor: int) -> None:
        if next(steps) == step:
            shutil.copytree(tmp_path / "running", killed)
            raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(os, "fsync", kill)
        with closing(writer_in(tmp_path / "running")) as running:
            add(running, range(25))
            running.finish()

    if not (killed / "manifest.json").exists():
        resumed = writer_in(killed)
        add(resumed, range(resumed.products, 25))
        resumed.finish()
    content = content_of(killed)
    # What is left of the last step of all.
    content.pop("plan.json", None)
    assert content == content_of(write_numbered(tmp_path / "whole", 25))


def test_two_builds_do_not_write_into_one_directory(tmp_path: Path) -> None:
    with closing(writer_in(tmp_path)) as first:
        with pytest.raises(CatalogueError, match="another build is writing here"):
            writer_in(tmp_path)
        add(first, range(10))
    assert writer_in(tmp_path).products == 10


def test_an_unfinished_build_is_no_catalogue(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    add(writer, range(20))
    writer.close()
    with pytest.raises(CatalogueError, match=r"manifest\.json is not there"):
        Catalogue.open(tmp_path, ENCODER)


@pytest.mark.parametrize(
    ("source", "encoder", "named"), [("other.parquet", ENCODER, "source"), ("", "encoder-2", "encoder_version")]
)
def test_a_build_does_not_go_on_as_another(tmp_path: Path, source: str, encoder: str, named: str) -> None:
    add(writer_in(tmp_path), range(10))
    with pytest.raises(CatalogueError, match=f"begun with another {named}; delete"):
        writer_in(tmp_path, source, encoder)


def test_a_build_that_finished_no_shard_stands_in_no_ones_way(tmp_path: Path) -> None:
    with closing(writer_in(tmp_path / "begun", "old.parquet")) as begun:
        add(begun, range(7))
    writer = writer_in(tmp_path / "begun", "new.parquet", "encoder-2")
    assert writer.products == 0
    add(writer, range(3))
    manifest = writer.finish()
    assert (manifest.source, manifest.encoder_version, manifest.products) == ("new.parquet", "encoder-2", 3)


@pytest.mark.parametrize("lost", ["records-00000.idx", "records-00001.idx"])
def test_a_build_with_a_lost_index_stays_that_of_its_source(tmp_path: Path, lost: str) -> None:
    add(writer_in(tmp_path, "old.parquet"), range(20))
    (tmp_path / lost).unlink()
    with pytest.raises(CatalogueError, match="begun with another source; delete"):
        writer_in(tmp_path, "new.parquet")


def test_a_plan_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"title": "holidays"}')
    with pytest.raises(CatalogueError, match="begun with another encoder_version, width, source"):
        writer_in(tmp_path)
    assert (tmp_path / "plan.json").read_text() == '{"title": "holidays"}'


def test_a_finished_catalogue_is_not_written_again(tmp_path: Path) -> None:
    write_numbered(tmp_path, 3)
    with pytest.raises(CatalogueError, match="finished and never changed"):
        writer_in(tmp_path)


def delete_from(directory: Path, number: int) -> None:
    """Do as the message says."""
    for path in directory.glob("records-*"):
        if int(path.name[8:13]) >= number:
            path.unlink()


def check_that_it_goes_on(directory: Path, finished: int) -> None:
    with closing(writer_in(directory)) as resumed:
        assert resumed.products == finished
        add(resumed, range(finished, 35))
        resumed.finish()
    assert content_of(directory) == content_of(write_numbered(directory.with_name("whole"), 35))


def test_a_gap_in_the_shards_is_not_filled_by_deleting_the_rest(tmp_path: Path) -> None:
    directory = tmp_path / "stopped"
    add(writer_in(directory), range(30))
    (directory / "records-00001.idx").unlink()
    there = content_of(directory)
    with pytest.raises(
        CatalogueError,
        match=r"records-00002\.bin is there, but records-00001\.idx before it is not; restore it, or delete all files "
        "of records-00001 and of the shards behind it and run again: those before it are kept",
    ):
        writer_in(directory)
    assert content_of(directory) == there
    delete_from(directory, 1)
    check_that_it_goes_on(directory, 10)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", ["bin", "idx"])
def test_a_damaged_shard_stops_a_build_that_goes_on_and_the_advice_mends_it(
    tmp_path: Path, number: int, kind: str
) -> None:
    directory, shard = tmp_path / "stopped", f"records-{number:05d}"
    add(writer_in(directory), range(30))
    path = directory / f"{shard}.{kind}"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(
        CatalogueError, match=rf"{shard}\.{kind} .*delete all files of {shard} and of the shards behind"
    ):
        writer_in(directory)
    delete_from(directory, number)
    check_that_it_goes_on(directory, 10 * number)


def test_products_of_one_text_share_one_record_across_shards(tmp_path: Path) -> None:
    write(tmp_path, [(f"p{n}", f"text {n % 3}") for n in range(25)])
    catalogue = Catalogue.open(tmp_path, ENCODER)
    assert (len(catalogue), catalogue.manifest.products) == (3, 25)
    assert (tmp_path / "records-00002.bin").stat().st_size == 0
    keys = [key_of(f"text {n % 3}") for n in range(25)]
    assert catalogue.find([f"p{n}" for n in range(25)]) == keys
    assert all(same(record, record_of(key)) for record, key in zip(catalogue.get(keys), keys, strict=True))


def test_a_build_that_goes_on_knows_the_records_of_finished_shards(tmp_path: Path) -> None:
    add(writer_in(tmp_path), range(10))
    resumed = writer_in(tmp_path)
    add(resumed, range(5))
    assert resumed.finish().records == 10


def test_latents_of_another_width_are_refused(tmp_path: Path) -> None:
    record = ProductRecord(np.zeros(2, np.uint32), np.zeros((2, WIDTH + 1), np.int8))
    with closing(writer_in(tmp_path)) as writer, pytest.raises(ValueError, match=rf"\(length, {WIDTH}\)"):
        writer.add(["a"], [key_of("a")], [record])


def test_a_disk_that_does_not_take_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CatalogueError, match=r"file.* cannot be written"):
        writer_in(tmp_path / "file" / "catalogue")


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with closing(writer_in(tmp_path)) as writer:
        add(writer, range(10))
        with (
            monkeypatch.context() as patched,
            pytest.raises(CatalogueError, match=r"No space left .*; free space there and run again"),
        ):
            patched.setattr(os, "fsync", is_full)
            add(writer, range(10, 20))
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json", "records-00000.bin", "records-00000.idx"}
    resumed = writer_in(tmp_path)
    add(resumed, range(10, 20))
    assert resumed.finish().products == 20


def test_the_manifest_tells_what_was_built(tmp_path: Path) -> None:
    writer = writer_in(tmp_path, "products.parquet")
    add(writer, range(3))
    writer.finish()
    content = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert (content["encoder_version"], content["width"], content["source"]) == (ENCODER, WIDTH, "products.parquet")
    assert set(content["files"]) == {"records-00000.bin", "records-00000.idx"}
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", *content["files"]}
