"""From a judgement's grades to a soft target in [0, 1]: by a table of names, or linearly from the range seen.

A row has one `grade`, or the `raters`' grades, of which the mean target counts; a rater who gave none is left out, and
where none of them gave one, `grade` counts.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from relevance.row_values import is_absent
from training.datasets.assembly import mean_target
from training.datasets.rows import open_text, readable, require
from training.errors import DataError

Row = tuple[int, dict[str, Any]]
TargetOf = Callable[[Any, str], float]
"""(grade, FILE:LINE) → target in [0, 1]; DataError for a grade that has none."""

log = logging.getLogger(__name__)


def row_target(row: Mapping[str, Any], path: Path, line: int, target_of: TargetOf) -> float:
    """The mean target of the row's grades."""
    where = f"{path}:{line}"
    return mean_target([target_of(grade, where) for grade in _grades(row, path, line)])


def grade_table(path: Path) -> TargetOf | None:
    """The table of grades.json, a JSON object grade → target; None if there is no such file.

    3, 3.0, "3" and "3.0" are one grade, as are true and "true"; names are compared as they stand.
    """
    with readable(path):
        if not path.exists():
            return None
    table: dict[str, float] = {}
    for grade, target in _read_table(path):
        key = _grade_key(grade)
        if table.setdefault(key, target) != target:
            raise DataError(f"{path}: grade {key!r} has two targets, {table[key]:g} and {target:g}")

    def target_of(grade: Any, where: str) -> float:
        target = table.get(_grade_key(grade))
        if target is None:
            raise DataError(f"{where}: grade {_said(grade)} is not in {path.name}, which knows {sorted(table)}")
        return target

    return target_of


def linear_table(rows: Sequence[Row], path: Path) -> TargetOf:
    """Targets for numeric grades: the range that the rows hold, mapped to [0, 1]; the log says so."""
    grades = [_number(grade, f"{path}:{line}") for line, row in rows for grade in _grades(row, path, line)]
    if not grades:
        raise DataError(f"{path} has no judgements")
    low, high = min(grades), max(grades)
    if math.isinf(high - low):
        raise DataError(f"{path}: grades from {low:g} to {high:g} are too far apart to be a scale; check the file")
    if low == high:
        raise DataError(f"{path}: all grades are {low:g}, so there is nothing to learn; check the file")
    message = "%s: no grades.json beside it, so grades map linearly from [%g, %g], the range seen, to [0, 1]"
    log.warning(message, path, low, high)
    return lambda grade, where: (_number(grade, where) - low) / (high - low)


def _grades(row: Mapping[str, Any], path: Path, line: int) -> list[Any]:
    raters = [] if is_absent(row.get("raters")) else row["raters"]
    if not isinstance(raters, list):
        raise DataError(f"{path}:{line}: 'raters' must be a list of grades, got {raters!r}")
    given = [grade for grade in raters if not is_absent(grade)]
    if given:
        return given
    if raters and is_absent(row.get("grade")):
        raise DataError(f"{path}:{line}: 'raters' holds no grade: {raters!r}, and there is no 'grade' beside it")
    return [require(row, "grade", path, line)]


def _read_table(path: Path) -> list[tuple[str, float]]:
    """The table's entries; a name that is there twice is there twice."""
    try:
        with open_text(path) as file:
            # An object is a tuple of its pairs, and an array a list.
            content = json.load(file, object_pairs_hook=tuple)
        if not isinstance(content, tuple):
            raise TypeError(f"it holds {type(content).__name__}")
        table = [(str(grade), float(target)) for grade, target in content]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} must be a JSON object from grade to a number in [0, 1]: {error}") from error
    outside = [grade for grade, target in table if not 0.0 <= target <= 1.0]
    if outside:
        raise DataError(f"{path}: the targets of {outside} are outside [0, 1]")
    return table


def _grade_key(grade: Any) -> str:
    text = str(grade).strip()
    if text in ("True", "False"):
        # What Python makes of JSON's true and false.
        return text.lower()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)


def _said(grade: Any) -> str:
    """The grade as its file writes it."""
    return str(grade).lower() if isinstance(grade, bool) else repr(grade)


def _number(grade: Any, where: str) -> float:
    number = finite(grade)
    if number is None:
        raise DataError(
            f"{where}: grade {_said(grade)} is not a number; give a grades.json to map names to targets, "
            'as {"true": 1, "false": 0}'
        )
    return number


def finite(value: Any) -> float | None:
    """The value as a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if isinstance(value, bool) or not abs(number) < float("inf") else number
