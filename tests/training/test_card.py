from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relevance.product import Product
from training.card import licences, provenance
from training.config import DistillSettings
from training.datasets.schema import Dataset, Judgement
from training.run_directory import RunDirectory
from training.splits import split_by_query

DATA = Dataset(
    "d",
    {"p": Product(id="p", title="t")},
    [Judgement(query, "p", target) for query, target in (("hat", 0.0), ("cap", 1.0), ("belt", 0.5))],
)


@pytest.mark.parametrize(
    ("held_out", "told"), [(None, "by query, seed 3"), (frozenset({"cap"}), "by the dataset's own split")]
)
def test_a_bundle_tells_whose_split_held_its_queries_out(
    tmp_path: Path, held_out: frozenset[str] | None, told: str
) -> None:
    directory = RunDirectory(tmp_path, {"settings": {}, "data": {"a.csv": "0"}})
    directory.stage("pool").finish({"pairs": 1})
    split = split_by_query(replace(DATA, held_out_queries=held_out), 0.3, 3)
    made = provenance(directory, DistillSettings(seed=3), split)
    assert made["split"] == told
    assert made["queries"] == {"train": 2, "held_out": 1}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("chorus:d", "querqy/chorus, Apache-2.0"),
        ("wands:d", "wayfair/WANDS, MIT"),
        ("esci:d?locale=es", "(Shopping Queries Dataset), Apache-2.0"),
    ],
)
def test_a_bundle_tells_the_licence_of_its_judgements(data: str, told: str) -> None:
    assert any(text.endswith(told) for text in licences(DistillSettings(data=data)))
