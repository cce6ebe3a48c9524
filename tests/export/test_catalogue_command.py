from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Never

import pytest

from export.catalogue import main
from export.catalogue_build import PRODUCTS_PER_BLOCK
from relevance.catalogue import Catalogue
from relevance.product import Product
from relevance.product_record import ProductRecord
from tests.export.fake_encoder import FakeEncoder
from tests.export.small_shop import COUNT, build, write_products


@pytest.fixture
def products(tmp_path: Path) -> Path:
    return write_products(tmp_path / "products.jsonl")


def test_the_command_builds_and_verifies(
    products: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    directory = tmp_path / "catalogue"
    command = [str(products), "-o", str(directory), "--bundle", str(tmp_path), "--verify"]
    assert main(command, lambda bundle, precision: FakeEncoder()) == 0
    assert f"{COUNT} records, all whole" in caplog.text
    assert f"products: {COUNT}/{COUNT}" in capsys.readouterr().err
    assert main(["-o", str(directory), "--verify"]) == 0


def test_the_command_tells_an_error_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", str(tmp_path), "--verify"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "manifest.json is not there" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["-o", "catalogue"], ["products.jsonl", "-o", "catalogue"]])
def test_what_the_command_needs_is_asked_for(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)


@pytest.mark.parametrize("below", [[], ["catalogue"]])
def test_an_output_that_cannot_be_examined_is_named(
    products: Path, tmp_path: Path, below: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path.joinpath("x" * 300, *below)
    command = [str(products), "-o", str(directory), "--bundle", str(tmp_path)]
    assert main(command, lambda bundle, precision: FakeEncoder()) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {directory} cannot be written (")
    assert "File name too long" in error
    assert error.count("\n") == 1


class InterruptedEncoder(FakeEncoder):
    """Ctrl-C comes at its third block."""

    def encode(self, products: Sequence[Product]) -> list[tuple[bytes, ProductRecord]]:
        if self.encoded == 2 * PRODUCTS_PER_BLOCK:
            raise KeyboardInterrupt
        return super().encode(products)


def interrupt(*_: object) -> Never:
    raise KeyboardInterrupt


def test_an_interrupted_build_says_what_it_keeps(
    products: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(products), "-o", str(tmp_path / "catalogue"), "--bundle", str(tmp_path)]
    told = "interrupted; finished shards are kept, and the same command goes on from them\n"
    for open_encoder in (interrupt, lambda bundle, precision: InterruptedEncoder()):
        assert main(command, open_encoder) == 130
        assert capsys.readouterr().err.endswith(told)
    assert main(command, lambda bundle, precision: FakeEncoder()) == 0


def test_an_interrupted_verification_ends_in_one_word(
    products: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(products, tmp_path / "catalogue", FakeEncoder())
    capsys.readouterr()
    monkeypatch.setattr(Catalogue, "get", interrupt)
    assert main(["-o", str(tmp_path / "catalogue"), "--verify"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
