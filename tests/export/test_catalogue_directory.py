from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from export.product_file import ProductFile
from relevance.catalogue import CatalogueError
from tests.export.fake_encoder import FakeEncoder
from tests.export.small_shop import build, write_products


@pytest.fixture
def products(tmp_path: Path) -> Path:
    return write_products(tmp_path / "products.jsonl")


def test_a_finished_catalogue_is_left_as_it_is(products: Path, tmp_path: Path) -> None:
    build(products, tmp_path / "catalogue", FakeEncoder())
    again = FakeEncoder()
    build(products, tmp_path / "catalogue", again)
    assert again.encoded == 0
    with pytest.raises(CatalogueError, match="of other products or another encoder"):
        build(products, tmp_path / "catalogue", FakeEncoder("encoder-2"))


def test_a_file_where_a_directory_is_wanted_is_named_before_any_row_is_read(products: Path, tmp_path: Path) -> None:
    content = products.read_bytes()
    products.write_text("no product", encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"products\.jsonl is a file, where a directory is wanted; choose a new"):
        build(products, products, FakeEncoder())
    linked = tmp_path / "linked"
    linked.symlink_to(products)
    with pytest.raises(CatalogueError, match="linked is a file, where"):
        build(products, linked, FakeEncoder())
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(CatalogueError, match="link is a link that leads nowhere, where a directory is wanted"):
        build(products, link, FakeEncoder())
    # A link to a directory is one.
    products.write_bytes(content)
    (tmp_path / "gone").mkdir()
    build(products, link, FakeEncoder())


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ("encoder-1", nullcontext()),
        ("encoder-2", pytest.raises(CatalogueError, match="of other products or another encoder")),
    ],
)
def test_a_build_that_another_one_overtakes_leaves_it_as_it_is(
    products: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    outcome: AbstractContextManager[object],
) -> None:
    check = ProductFile.check

    def overtaken(file: ProductFile) -> int:
        monkeypatch.setattr(ProductFile, "check", check)
        build(products, tmp_path / "catalogue", FakeEncoder())
        return file.check()

    monkeypatch.setattr(ProductFile, "check", overtaken)
    again = FakeEncoder(version)
    with outcome:
        build(products, tmp_path / "catalogue", again)
    assert again.encoded == 0


@pytest.mark.parametrize("name", ["records-00001.bin", "records-00001.idx"])
@pytest.mark.parametrize("kept", [None, 0, 100])
def test_a_damaged_catalogue_is_not_called_finished(
    products: Path, tmp_path: Path, name: str, kept: int | None
) -> None:
    build(products, tmp_path / "catalogue", FakeEncoder())
    path = tmp_path / "catalogue" / name
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[:kept])
    with pytest.raises(CatalogueError, match=rf"{name} .*; restore it .* or build the catalogue again in another"):
        build(products, tmp_path / "catalogue", FakeEncoder())


def test_a_directory_of_other_files_is_left_alone_before_any_row_is_read(products: Path, tmp_path: Path) -> None:
    directory = tmp_path / "photos"
    directory.mkdir()
    (directory / ".hidden").touch()
    build(products, directory, FakeEncoder())
    other = tmp_path / "other"
    other.mkdir()
    for n in range(5):
        (other / f"{n}.jpg").touch()
    products.write_text("no product", encoding="utf-8")
    with pytest.raises(
        CatalogueError, match=r"other holds other files \(0\.jpg, 1\.jpg, 2\.jpg, …\) and is no catalogue"
    ):
        build(products, other, FakeEncoder())
    assert len(list(other.iterdir())) == 5
