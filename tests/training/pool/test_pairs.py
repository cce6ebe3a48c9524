from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tiny import save_pool, tiny_pool
from training.errors import RunDirectoryError
from training.pool import pairs as pool_module
from training.pool.pairs import Source, group_starts, load_pool
from training.run_directory import RunDirectory, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return RunDirectory(tmp_path, {}).stage("pool")


def test_a_saved_pool_is_the_same_pool(stage: Stage) -> None:
    pool = tiny_pool()
    save_pool(pool, stage)
    loaded = load_pool(stage)
    assert (loaded.queries, loaded.products) == (list(pool.queries), list(pool.products))
    np.testing.assert_array_equal(loaded.product_of, pool.product_of)
    np.testing.assert_array_equal(loaded.cosine, pool.cosine)
    np.testing.assert_array_equal(loaded.source, [Source.UNRECORDED] * len(pool))
    assert list(loaded.groups) == list(pool.groups)


def test_the_pairs_of_a_loaded_pool_lie_on_disk(stage: Stage) -> None:
    save_pool(tiny_pool(), stage)
    loaded = load_pool(stage)
    for column in (loaded.query_of, loaded.product_of, loaded.cosine, loaded.source):
        assert isinstance(column.base, np.memmap)
        assert not column.flags.writeable


@pytest.mark.parametrize("file", ["products.jsonl", "queries.parquet", "pairs-cosine.npy", "pairs-source.npy"])
def test_a_pool_with_a_damaged_file_is_refused(stage: Stage, file: str) -> None:
    save_pool(tiny_pool(), stage)
    path = stage.directory / file
    content = path.read_bytes()
    # The products' last line; of the others the last byte.
    path.write_bytes(content[: content[:-1].rfind(b"\n") + 1] if file.endswith(".jsonl") else content[:-1])
    with pytest.raises(RunDirectoryError, match=rf"{file}.*to draw the pool again"):
        load_pool(stage)


@pytest.mark.parametrize("row", ['{"title": 3}', "[]", "{", '{"brand": "acme"}'])
def test_a_row_that_is_no_product_is_named(stage: Stage, row: str) -> None:
    save_pool(tiny_pool(), stage)
    path = stage.directory / "products.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], row, *lines[2:]]), encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"products\.jsonl:2.*delete {stage.directory} to draw") as told:
        load_pool(stage)
    assert "\n" not in str(told.value)


def test_products_that_are_not_there_are_no_matter_of_a_dataset(stage: Stage) -> None:
    save_pool(tiny_pool(), stage)
    (stage.directory / "products.jsonl").unlink()
    with pytest.raises(RunDirectoryError, match=r"products\.jsonl is not there; delete .* to draw the pool again"):
        load_pool(stage)


def test_a_pool_of_another_size_is_refused(stage: Stage) -> None:
    save_pool(tiny_pool(), stage)
    stage.finish({**stage.manifest(), "pairs": 31})
    with pytest.raises(RunDirectoryError, match="holds 30 rows, its manifest says 31"):
        load_pool(stage)


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 10))
def test_groups_are_found_however_the_column_is_walked(sizes: list[int], at_once: int) -> None:
    query_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "PAIRS_AT_ONCE", at_once)
        assert group_starts(query_of).tolist() == [0, *np.cumsum(sizes).tolist()]


def test_a_group_that_is_not_there_is_no_empty_one() -> None:
    groups = tiny_pool(queries=6).groups
    with pytest.raises(IndexError, match="no group 6"):
        groups[6]
