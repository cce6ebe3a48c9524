from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from export.catalogue_build import PRODUCTS_PER_BLOCK
from export.errors import ProductFileError
from export.hashed_file import HashedFile
from export.product_file import ProductFile
from relevance.catalogue import CatalogueError, CatalogueWriter
from relevance.product import Product
from relevance.product_record import ProductRecord
from tests.export.fake_encoder import FakeEncoder
from tests.export.small_shop import COUNT, build, content_of, write_products

CHANGED = r"products\.jsonl changed while it was read; run again$"
HOUR_NS = 3600 * 10**9


@pytest.fixture
def products(tmp_path: Path) -> Path:
    path = write_products(tmp_path / "products.jsonl")
    # As a file that lay there: one written in the same tick of the clock would have the same time.
    at = path.stat().st_mtime_ns - HOUR_NS
    os.utime(path, ns=(at, at))
    return path


def replace(path: Path) -> None:
    other = write_products(path.with_name("other"))
    other.write_bytes(other.read_bytes().replace(b"number", b"figure"))
    other.replace(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"id": "one more", "title": "lamp"}\n')


def overwrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"number", b"figure"))


def tear(path: Path) -> None:
    """As another process that is still writing it leaves it: its last line is half there."""
    path.write_bytes(path.read_bytes()[:-9])


def remove(path: Path) -> None:
    path.unlink()


class StoppedError(Exception):
    pass


def stop(writer: CatalogueWriter) -> None:
    raise StoppedError


Change = Callable[[Path], None]
CHANGES = pytest.mark.parametrize("change", [replace, append, overwrite, tear, remove])


class ChangingEncoder(FakeEncoder):
    """The file changes when it begins its third block."""

    def __init__(self, change: Callable[[], None]) -> None:
        super().__init__()
        self._change = change

    def encode(self, products: Sequence[Product]) -> list[tuple[bytes, ProductRecord]]:
        if self.encoded == 2 * PRODUCTS_PER_BLOCK:
            self._change()
        return super().encode(products)


@CHANGES
def test_a_file_that_changes_while_it_is_encoded_gives_no_catalogue(
    products: Path, tmp_path: Path, change: Change
) -> None:
    with pytest.raises(ProductFileError, match=CHANGED):
        build(products, tmp_path / "catalogue", ChangingEncoder(lambda: change(products)))
    assert not (tmp_path / "catalogue" / "manifest.json").exists()
    if products.exists() and change is not tear:
        with pytest.raises(CatalogueError, match="begun with another source; delete"):
            build(products, tmp_path / "catalogue", FakeEncoder())
    # What was finished before is of the file as it was: the build goes on if that comes back.
    write_products(products)
    encoder = FakeEncoder()
    build(products, tmp_path / "catalogue", encoder)
    assert encoder.encoded == COUNT - PRODUCTS_PER_BLOCK
    build(products, tmp_path / "whole", FakeEncoder())
    assert content_of(tmp_path / "catalogue") == content_of(tmp_path / "whole")


@CHANGES
def test_a_file_that_changes_while_it_is_checked_begins_nothing(
    products: Path, tmp_path: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ProductFile.check

    def changed_first(file: ProductFile) -> int:
        change(file.path)
        return check(file)

    monkeypatch.setattr(ProductFile, "check", changed_first)
    with pytest.raises(ProductFileError, match=CHANGED):
        build(products, tmp_path / "catalogue", FakeEncoder())
    assert not (tmp_path / "catalogue").exists()


def test_a_file_that_changes_behind_the_last_finished_shard_gives_no_catalogue(
    products: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_products(products, 2 * PRODUCTS_PER_BLOCK)
    with monkeypatch.context() as patched, pytest.raises(StoppedError):
        patched.setattr(CatalogueWriter, "finish", stop)
        build(products, tmp_path / "catalogue", FakeEncoder())
    blocks = ProductFile.blocks

    def changed_first(file: ProductFile, size: int, skip: int = 0) -> Iterator[list[Product]]:
        overwrite(file.path)
        return blocks(file, size, skip)

    monkeypatch.setattr(ProductFile, "blocks", changed_first)
    with pytest.raises(ProductFileError, match=CHANGED):
        build(products, tmp_path / "catalogue", FakeEncoder())
    assert not (tmp_path / "catalogue" / "manifest.json").exists()


def test_shards_of_another_file_are_not_finished_under_this_ones_name(products: Path, tmp_path: Path) -> None:
    # As an Aisle left them that did not look for changes.
    encoder, source = FakeEncoder(), f"sha256:{HashedFile.of(products).sha256}"
    writer = CatalogueWriter(tmp_path / "catalogue", encoder.version, encoder.width, source, COUNT + 1)
    keys, records = zip(*(encoder.encode_one(str(n)) for n in range(COUNT + 1)), strict=True)
    writer.add([str(n) for n in range(COUNT + 1)], keys, records)
    writer.close()
    with pytest.raises(CatalogueError, match=rf"would hold {COUNT + 1} products, but .* has {COUNT}: .*; delete"):
        build(products, tmp_path / "catalogue", FakeEncoder())
    assert not (tmp_path / "catalogue" / "manifest.json").exists()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProductFileError, match=r"gone\.jsonl cannot be read \(No such file"):
        HashedFile.of(tmp_path / "gone.jsonl")
