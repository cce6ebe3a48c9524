from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.pool.blocks import BlockStore


def test_blocks_of_another_draw_are_removed_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    BlockStore(tmp_path / "drawing", "one").save("products-00000", vectors=np.zeros(3))
    assert BlockStore(tmp_path / "drawing", "one").load("products-00000") is not None
    assert not caplog.records
    assert BlockStore(tmp_path / "drawing", "other").load("products-00000") is None
    assert f"{tmp_path / 'drawing'}: removed, it belongs to a draw of other queries" in caplog.text
