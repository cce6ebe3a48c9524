from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from export.catalogue_build import PRODUCTS_PER_BLOCK, Encoding, build_catalogue, verify_catalogue
from export.errors import ProductFileError
from export.product_file import ProductFile
from relevance.catalogue import Catalogue, CatalogueError
from relevance.product import Product
from relevance.product_record import ProductRecord
from tests.export.fake_encoder import FakeEncoder
from tests.export.small_shop import COUNT, build, content_of, write_products

ROOT = Path(__file__).parents[2]


@pytest.fixture
def products(tmp_path: Path) -> Path:
    return write_products(tmp_path / "products.jsonl")


class StoppedError(Exception):
    pass


class StoppingEncoder(FakeEncoder):
    """Fails at its third block."""

    def encode(self, products: Sequence[Product]) -> list[tuple[bytes, ProductRecord]]:
        if self.encoded == 2 * PRODUCTS_PER_BLOCK:
            raise StoppedError
        return super().encode(products)


def test_every_product_is_found_by_its_id(products: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    build(products, tmp_path / "catalogue", encoder)
    catalogue = Catalogue.open(tmp_path / "catalogue", encoder.version)
    keys = catalogue.find([f"p{n}" for n in range(COUNT)])
    expected = [encoder.encode_one(f"product number {n}") for n in range(COUNT)]
    assert keys == [key for key, _ in expected]
    records = catalogue.get([key for key in keys if key])
    assert all(
        record is not None and (record.latents == wanted.latents).all()
        for record, (_, wanted) in zip(records, expected, strict=True)
    )
    assert verify_catalogue(tmp_path / "catalogue") == COUNT


def test_the_next_block_is_begun_before_the_last_one_is_waited_for(products: Path, tmp_path: Path) -> None:
    events: list[str] = []

    class Telling(FakeEncoder):
        def begin(self, products: Sequence[Product]) -> Encoding:
            number, finish = len(events), super().begin(products)
            events.append("begun")

            def wait() -> list[tuple[bytes, ProductRecord]]:
                events.append(f"waited, {number}")
                return finish()

            return wait

    build(products, tmp_path / "catalogue", Telling())
    assert events[:3] == ["begun", "begun", "waited, 0"]
    assert sum(event == "begun" for event in events) == -(-COUNT // PRODUCTS_PER_BLOCK)


def test_a_stopped_build_encodes_only_what_is_missing(products: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        build(products, tmp_path / "stopped", StoppingEncoder())
    assert not (tmp_path / "stopped" / "manifest.json").exists()
    encoder = FakeEncoder()
    build(products, tmp_path / "stopped", encoder)
    assert encoder.encoded == COUNT - 2 * PRODUCTS_PER_BLOCK
    build(products, tmp_path / "whole", FakeEncoder())
    assert content_of(tmp_path / "stopped") == content_of(tmp_path / "whole")


KILLED = f"""
import sys
from pathlib import Path
from export.catalogue_build import build_catalogue
from export.product_file import ProductFile
from tests.export.fake_encoder import FakeEncoder

class Waiting(FakeEncoder):
    def begin(self, products):
        third, finish = self.encoded == 2 * {PRODUCTS_PER_BLOCK}, super().begin(products)

        def wait():
            if third:
                print("waiting", flush=True)
                sys.stdin.read()
            return finish()

        return wait

build_catalogue(ProductFile(Path(sys.argv[1])), Path(sys.argv[2]), Waiting(), {PRODUCTS_PER_BLOCK * 3 // 2})
"""


def test_a_killed_process_is_gone_on_from(products: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(products), str(tmp_path / "killed")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.kill()
    assert (tmp_path / "killed" / "records-00001.bin.partial").exists()

    encoder, size = FakeEncoder(), PRODUCTS_PER_BLOCK * 3 // 2
    build_catalogue(ProductFile(products), tmp_path / "killed", encoder, size)
    assert encoder.encoded == COUNT - size
    build_catalogue(ProductFile(products), tmp_path / "whole", FakeEncoder(), size)
    assert content_of(tmp_path / "killed") == content_of(tmp_path / "whole")


def test_changed_products_do_not_go_on_with_the_build_of_others(products: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        build(products, tmp_path / "catalogue", StoppingEncoder())
    write_products(products, COUNT + 1)
    with pytest.raises(CatalogueError, match="begun with another source"):
        build(products, tmp_path / "catalogue", FakeEncoder())


@pytest.mark.parametrize("row", ['{"title": "last"}', '{"id": "p3", "title": "another"}'])
def test_a_bad_row_is_named_before_any_is_encoded(products: Path, tmp_path: Path, row: str) -> None:
    with products.open("a", encoding="utf-8") as file:
        file.write(f"{row}\n")
    encoder = FakeEncoder()
    with pytest.raises(ProductFileError, match=rf"products\.jsonl, line {COUNT + 1}: "):
        build(products, tmp_path / "catalogue", encoder)
    assert encoder.encoded == 0
    # Nothing was begun, so the mended file is not another's build.
    write_products(products)
    build(products, tmp_path / "catalogue", encoder)
    assert encoder.encoded == COUNT


def test_a_stopped_build_goes_on_behind_rows_that_are_left_out(products: Path, tmp_path: Path) -> None:
    rows = products.read_text(encoding="utf-8").splitlines(keepends=True)
    products.write_text("".join(row + '{"id": "untitled"}\n' for row in rows), encoding="utf-8")
    with pytest.raises(StoppedError):
        build(products, tmp_path / "stopped", StoppingEncoder())
    encoder = FakeEncoder()
    build(products, tmp_path / "stopped", encoder)
    assert encoder.encoded == COUNT - 2 * PRODUCTS_PER_BLOCK
    build(products, tmp_path / "whole", FakeEncoder())
    assert content_of(tmp_path / "stopped") == content_of(tmp_path / "whole")


@pytest.mark.parametrize("at", [-1, 40])
def test_verifying_finds_any_flipped_byte(products: Path, tmp_path: Path, at: int) -> None:
    directory = tmp_path / "catalogue"
    build(products, directory, FakeEncoder())
    path = directory / "records-00002.bin"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=r"1 of \d+ records are damaged|records-00002\.bin is not the file"):
        verify_catalogue(directory)


GROWTH = """
import resource, sys
from pathlib import Path
from relevance.catalogue import CatalogueWriter
from relevance.product_record import ProductRecord, RecordKeys
import numpy as np

record = ProductRecord(np.zeros(20, np.uint32), np.zeros((20, 64), np.int8))
keys = RecordKeys("encoder-1")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
writer = CatalogueWriter(Path(sys.argv[1]), "encoder-1", 64, products_per_shard=20_000)
for start in range(0, 200_000, 500):
    ids = range(start, start + 500)
    writer.add([f"product {n}" for n in ids], [keys.key([n]) for n in ids], [record] * 500)
    if start == 19_500:
        before = peak()
manifest = writer.finish()
print(peak() - before, sum(file.bytes for file in manifest.files.values()) // 2**20)
"""


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", GROWTH, str(tmp_path / "catalogue")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    grown, written = map(int, run.stdout.split())
    # The index is 68 bytes a product, 13 MB here, and is held twice while it is sorted.
    assert written > 250
    assert grown < 60
