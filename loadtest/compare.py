"""`python -m loadtest.compare BEFORE.json AFTER.json`: what differs between two runs, and is it more than noise?

Exit code 0: compared; 2: a file is no record of a run, or one that measured nothing.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.noise import CONFIDENCE, LEAST_SLICES, Difference, difference, parts_of, statistics
from loadtest.report.record import Record, RecordError, read_record

COMPARED, NOT_COMPARED = 0, 2


def compare(before: Record, after: Record) -> dict[str, Difference]:
    """The difference of each figure; RecordError if a run measured nothing."""
    for name, record in (("first", before), ("second", after)):
        if not record.slices:
            raise RecordError(f"the {name} run measured nothing: {'; '.join(record.reasons)}")
    parts = parts_of(before.slices), parts_of(after.slices)
    return {name: difference(statistic, *parts) for name, statistic in statistics().items()}


def table_of(differences: dict[str, Difference]) -> str:
    """A Markdown table."""
    lines = [
        f"| | before | after | difference | {CONFIDENCE:.0%} interval | |",
        "| --- | --: | --: | --: | --: | --- |",
    ]
    lines += [f"| {name} | {' | '.join(_cells(one))} |" for name, one in differences.items()]
    return "\n".join(lines)


def warnings_of(before: Record, after: Record) -> list[str]:
    """Why the two may not be comparable."""
    warnings = [
        f"the runs differ in their {name}: read the difference as theirs, too"
        for name in ("load", "workload", "service")
        if before.budget.get(name) != after.budget.get(name)
    ]
    if before.machine != after.machine:
        warnings.append("the runs were made on different machines")
    for name, record in (("first", before), ("second", after)):
        if len(record.slices) < LEAST_SLICES:
            warnings.append(
                f"the {name} run is too short to know its noise: it takes {LEAST_SLICES} slices of a second"
            )
        if record.generator and record.generator.bottleneck:
            warnings.append(f"the {name} run: {record.generator.bottleneck}")
    return warnings


def main(arguments: Sequence[str] | None = None) -> int:
    """The table for people."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.compare", description=__doc__)
    parser.add_argument("before", type=Path, metavar="BEFORE.json")
    parser.add_argument("after", type=Path, metavar="AFTER.json")
    given = parser.parse_args(arguments)
    try:
        before, after = read_record(given.before), read_record(given.after)
        differences = compare(before, after)
    except RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_COMPARED
    for warning in warnings_of(before, after):
        print(f"note: {warning}", file=sys.stderr)
    print(table_of(differences))
    return COMPARED


def _cells(one: Difference) -> list[str]:
    interval = "not known" if one.interval is None else f"{_signed(one.interval[0])} … {_signed(one.interval[1])}"
    if one.interval is None:
        says = "cannot be told"
    else:
        says = "outside the noise" if one.outside_noise else "within the noise"
    return [_number(one.before), _number(one.after), _signed(one.after - one.before), interval, says]


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "not told" if math.isnan(value) else "no answer"


def _signed(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:+.4g}" if math.isfinite(value) else f"{value:+}"


if __name__ == "__main__":
    sys.exit(main())
