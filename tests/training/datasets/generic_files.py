"""Files of the generic JSONL layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.datasets.generic import read_generic

PRODUCTS: list[dict[str, Any]] = [{"id": "a", "title": "Oak table", "brand": "Acme"}, {"id": 2, "title": "Pine shelf"}]
JUDGEMENTS: list[dict[str, Any]] = [
    {"query": "table", "product_id": "a", "grade": 4},
    {"query": "table", "product_id": 2, "grade": 2},
    {"query": "shelf", "product_id": "2", "grade": 3},
]


def write_jsonl(folder: Path, files: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def targets(folder: Path) -> dict[tuple[str, str], float]:
    return {(j.query, j.product_id): j.target for j in read_generic(folder, "jsonl").judgements}
