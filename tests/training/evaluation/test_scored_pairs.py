from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.hand_made import dataset, scored
from training.errors import RunDirectoryError
from training.evaluation.scored_pairs import SCORES, load_scores, save_scores


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    sets = {"held_out": scored(dataset()), "general": scored(dataset(("tea",)))}
    save_scores(tmp_path / SCORES, sets)
    loaded = load_scores(tmp_path / SCORES)
    assert list(loaded) == ["held_out", "general"]
    for name, pairs in sets.items():
        assert loaded[name].groups() == pairs.groups()
        assert (loaded[name].product_ids, loaded[name].titles) == (pairs.product_ids, pairs.titles)
        np.testing.assert_array_equal(loaded[name].targets, pairs.targets)
        for system, scores in pairs.scores.items():
            np.testing.assert_array_equal(loaded[name].scores[system], scores)
    assert [path.name for path in tmp_path.iterdir()] == [SCORES]


def test_a_querys_pairs_are_one_slice_and_one_number() -> None:
    pairs = scored(dataset(("tea", "cup")))
    assert pairs.groups() == {"tea": slice(0, 4), "cup": slice(4, 8)}
    assert pairs.query_numbers().tolist() == [0] * 4 + [1] * 4


def test_an_evaluation_without_scores_says_what_to_delete(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=rf"older version.*delete {tmp_path} and run"):
        load_scores(tmp_path / SCORES)


def test_a_damaged_file_says_what_to_delete(tmp_path: Path) -> None:
    (tmp_path / SCORES).write_bytes(b"PAR1 but not for long")
    with pytest.raises(RunDirectoryError, match=rf"damaged.*delete {tmp_path}"):
        load_scores(tmp_path / SCORES)
