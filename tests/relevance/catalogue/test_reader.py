from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relevance.bundle import manifest_digest
from relevance.catalogue import Catalogue, CatalogueError
from relevance.catalogue.record_format import HEADER
from tests.relevance.catalogue.hand_made import ENCODER, key_of, record_of, same, write, write_numbered

COUNT = 25
KEYS = [key_of(f"text {n}") for n in range(COUNT)]


def is_whole(catalogue: Catalogue) -> bool:
    return all(same(record, record_of(key)) for key, record in zip(KEYS, catalogue.get(KEYS), strict=True))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_numbered(tmp_path / "catalogue", COUNT)


def test_many_records_come_back_in_the_order_asked(directory: Path) -> None:
    catalogue = Catalogue.open(directory, ENCODER)
    asked = [KEYS[20], key_of("unknown"), KEYS[3], KEYS[20], KEYS[11]]
    records = catalogue.get(asked)
    assert records[1] is None
    assert all(same(records[at], record_of(asked[at])) for at in (0, 2, 3, 4))
    assert catalogue.damaged == 0


def test_ids_give_their_keys(directory: Path) -> None:
    catalogue = Catalogue.open(directory, ENCODER)
    assert catalogue.find(["p24", "nobody", "p0"]) == [KEYS[24], None, KEYS[0]]
    assert catalogue.find([]) == catalogue.get([]) == []


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(CatalogueError, match=r"a leads nowhere \(.*; set the link to a catalogue$"):
        Catalogue.open(tmp_path / "a", ENCODER)


def test_an_empty_catalogue_knows_nothing(tmp_path: Path) -> None:
    catalogue = Catalogue.open(write(tmp_path, []), ENCODER)
    assert (catalogue.get(KEYS[:2]), catalogue.find(["p0"]), len(catalogue)) == ([None, None], [None], 0)


def test_records_cannot_be_written_to(directory: Path) -> None:
    record = Catalogue.open(directory, ENCODER).get(KEYS[:1])[0]
    assert record is not None
    assert not record.latents.flags.writeable
    assert not record.token_ids.flags.writeable


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.dictionaries(st.text(max_size=5), st.text(max_size=3), max_size=30), size=st.integers(1, 40))
def test_what_was_written_is_found(texts: dict[str, str], size: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = write(tmp_path_factory.mktemp("catalogue"), texts.items(), products_per_shard=size)
    catalogue = Catalogue.open(directory, ENCODER)
    keys = [key_of(text) for text in texts.values()]
    assert catalogue.find(list(texts)) == keys
    assert all(same(record, record_of(key)) for key, record in zip(keys, catalogue.get(keys), strict=True))
    assert len(catalogue) == len(set(keys))


def test_an_id_whose_text_has_changed_gives_the_new_key_only(tmp_path: Path) -> None:
    directory = write(tmp_path, [("p", "old"), *((f"q{n}", f"{n}") for n in range(15)), ("p", "new")])
    assert Catalogue.open(directory, ENCODER).find(["p"]) == [key_of("new")]


@pytest.mark.parametrize("byte", [0, 4, 10, HEADER.size, HEADER.size + 9])
def test_a_flipped_byte_is_a_miss_that_is_told_and_never_a_wrong_record(
    directory: Path, byte: int, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = Catalogue.open(directory, ENCODER)
    path = directory / "records-00001.bin"
    content = bytearray(path.read_bytes())
    content[byte] ^= 0x10
    path.write_bytes(content)
    records = catalogue.get(KEYS)
    assert records[10] is None
    assert all(same(records[n], record_of(KEYS[n])) for n in range(COUNT) if n != 10)
    assert catalogue.damaged == 1
    assert f"{path}: the record at byte 0 cannot be used" in caplog.text


def test_a_shard_that_is_cut_gives_misses_and_is_told_once(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalogue = Catalogue.open(directory, ENCODER)
    os.truncate(directory / "records-00000.bin", HEADER.size + 1)
    records = catalogue.get(KEYS)
    assert records[:10] == [None] * 10
    assert all(same(records[n], record_of(KEYS[n])) for n in range(10, COUNT))
    assert catalogue.damaged == 10
    catalogue.get(KEYS)
    assert catalogue.damaged == 20
    assert caplog.text.count("cannot be used (its checksum does not match): a product sent with its text") == 1
    (directory / "records-00001.bin").write_bytes(bytes((directory / "records-00001.bin").stat().st_size))
    catalogue.get(KEYS)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_a_deleted_catalogue_goes_on_answering_while_it_is_open(directory: Path) -> None:
    catalogue = Catalogue.open(directory, ENCODER)
    shutil.rmtree(directory)
    assert is_whole(catalogue)


def test_a_catalogue_replaced_during_reads_goes_on_answering(directory: Path, tmp_path: Path) -> None:
    old = Catalogue.open(directory, ENCODER)
    reading, stop, wrong = threading.Event(), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if not is_whole(old):
                wrong.append(True)
            reading.set()

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait()
    new = write(tmp_path / "new", [("p0", "another")])
    directory.rename(tmp_path / "old")
    new.rename(directory)
    shutil.rmtree(tmp_path / "old")
    reading.clear()
    reading.wait()
    stop.set()
    reader.join()
    assert not wrong
    assert old.damaged == 0
    assert Catalogue.open(directory, ENCODER).find(["p0"]) == [key_of("another")]


def test_its_files_are_closed_when_nobody_holds_it(directory: Path) -> None:
    def held() -> int:
        return sum(link.resolve().parent == directory.resolve() for link in Path("/proc/self/fd").iterdir())

    catalogue = Catalogue.open(directory, ENCODER)
    assert held() == 3
    del catalogue
    gc.collect()
    assert held() == 0


def test_another_encoders_records_are_refused(directory: Path) -> None:
    with pytest.raises(
        CatalogueError, match=r"manifest\.json: the records are of encoder encoder-1, .* encoder-2; build"
    ):
        Catalogue.open(directory, "encoder-2")


@pytest.mark.parametrize("name", ["records-00001.bin", "records-00001.idx"])
def test_a_missing_file_is_named(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(CatalogueError, match=f"{name} cannot be .*restore it"):
        Catalogue.open(directory, ENCODER)


@pytest.mark.parametrize("name", ["records-00001.bin", "records-00001.idx"])
def test_a_cut_file_is_named(directory: Path, name: str) -> None:
    os.truncate(directory / name, 100)
    with pytest.raises(CatalogueError, match=f"{name} .*restore it"):
        Catalogue.open(directory, ENCODER)


def test_no_file_stays_open_when_one_is_refused(directory: Path) -> None:
    os.truncate(directory / "records-00002.bin", 0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(CatalogueError):
        Catalogue.open(directory, ENCODER)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_flipped_byte_in_an_index_is_refused(directory: Path) -> None:
    path = directory / "records-00000.idx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=r"records-00000\.idx is not the file the manifest describes"):
        Catalogue.open(directory, ENCODER)


def test_an_altered_manifest_is_refused(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace(ENCODER, "encoder-2"), encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"manifest\.json was altered"):
        Catalogue.open(directory, "encoder-2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version 2"),
        ({"width": 0}, "width"),
        ({"shards": 4}, r"records-00003\.bin is used but has no entry"),
        ({"products": 24}, "hold 25 products, its manifest says 24"),
        ({"width": 9}, "for vectors of 8, the manifest of 9"),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(directory: Path, change: dict[str, int], message: str) -> None:
    path = directory / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8")) | change
    del content["sha256"]
    path.write_text(json.dumps(content | {"sha256": manifest_digest(content)}), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        Catalogue.open(directory, ENCODER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "x"}, "it has no format_version"),
        ({"format_version": 1, "name": "x"}, "encoder_version: Field required"),
    ],
)
def test_the_manifest_of_something_else_is_told_in_one_line(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    if "format_version" in content:
        content = content | {"sha256": manifest_digest(content)}
    (tmp_path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CatalogueError, match=rf"manifest\.json is no catalogue's: {message}; check the path$"):
        Catalogue.open(tmp_path, ENCODER)


@pytest.mark.parametrize("content", ["", "[]", '{"format_version": ', "[" * 100_000], ids=lambda text: text[:20])
def test_a_manifest_that_is_no_object_is_refused(directory: Path, content: str) -> None:
    (directory / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"manifest\.json"):
        Catalogue.open(directory, ENCODER)


def test_a_link_is_followed_once(directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    link = tmp_path / "current"
    link.symlink_to(directory)
    catalogue = Catalogue.open(link, ENCODER)
    link.unlink()
    with caplog.at_level(logging.ERROR):
        assert is_whole(catalogue)
    assert catalogue.directory == directory.resolve()
