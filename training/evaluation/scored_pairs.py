"""Judged pairs with the score that each system gave them: what an evaluation measures, and a report reads again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.errors import RunDirectoryError
from training.run_directory import whole_file

FloatArray = npt.NDArray[np.float64]

SCORES = "scores.parquet"
"""File of the evaluation stage."""
SCORE = "score_"
"""Prefix of a system's column."""
TEXT_COLUMNS = ("query", "product_id", "title")


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """n judged pairs; a query's pairs are contiguous. `scores` is system → (n,)."""

    queries: Sequence[str]
    product_ids: Sequence[str]
    titles: Sequence[str]
    targets: FloatArray
    scores: Mapping[str, FloatArray]

    def groups(self) -> dict[str, slice]:
        """Query → its pairs, in order."""
        edges = [row for row in range(len(self.queries)) if row == 0 or self.queries[row] != self.queries[row - 1]]
        return {self.queries[start]: slice(start, end) for start, end in pairwise([*edges, len(self.queries)])}

    def query_numbers(self) -> npt.NDArray[np.int64]:
        """Number (n,) of each pair's query, from 0."""
        sizes = [rows.stop - rows.start for rows in self.groups().values()]
        return np.repeat(np.arange(len(sizes)), sizes)


def save_scores(path: Path, sets: Mapping[str, ScoredPairs]) -> None:
    """Write named sets of scored pairs as one Parquet file, in one step: a kill leaves no half of it."""
    tables = []
    for name, pairs in sets.items():
        texts = zip(TEXT_COLUMNS, (pairs.queries, pairs.product_ids, pairs.titles), strict=True)
        columns: dict[str, Any] = {"set": [name] * len(pairs.queries), **{key: list(column) for key, column in texts}}
        columns["target"] = pairs.targets
        tables.append(pa.table({**columns, **{f"{SCORE}{system}": given for system, given in pairs.scores.items()}}))
    with whole_file(path) as partial:
        pq.write_table(pa.concat_tables(tables), partial)


def load_scores(path: Path) -> dict[str, ScoredPairs]:
    """What `save_scores` wrote; RunDirectoryError if the file is not there or damaged."""
    again = f"delete {path.parent} and run training.distill again, which evaluates the models it has"
    if not path.is_file():
        raise RunDirectoryError(f"{path} is not there: an older version of Aisle evaluated this run; {again}")
    try:
        table = pq.read_table(path)
        names = table["set"].to_pylist()
        return {name: _pairs(table.filter(pc.equal(table["set"], name))) for name in dict.fromkeys(names)}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise RunDirectoryError(f"{path} is damaged ({error}); {again}") from error


def _pairs(table: Any) -> ScoredPairs:
    queries, product_ids, titles = (table[name].to_pylist() for name in TEXT_COLUMNS)
    systems = [name.removeprefix(SCORE) for name in table.column_names if name.startswith(SCORE)]
    scores = {system: table[f"{SCORE}{system}"].to_numpy() for system in systems}
    return ScoredPairs(queries, product_ids, titles, table["target"].to_numpy(), scores)
