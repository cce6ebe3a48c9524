from __future__ import annotations

from pathlib import Path

import pytest

from export.catalogue import main
from tests.export.fake_encoder import FakeEncoder
from tests.export.small_shop import COUNT, write_products


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
