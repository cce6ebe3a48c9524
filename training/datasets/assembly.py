"""The rules that all readers share when they put products and judgements together.

- A product without a title cannot be read by any model. Where it is judged, the judgement would be lost, so it is an
  error; where it is not, it is left out and counted.
- A product given twice is kept once and counted if both rows say the same; if they differ, nobody can tell which one
  the raters saw, so it is an error.
- A judgement of a product that is not in the catalogue is an error.
- A pair that was judged several times gets the mean of its targets, as if by several raters.
- A query with one product is kept: pointwise losses learn from it, margins pass it by (`training/optimise/losses.py`).
- One target over the whole dataset teaches nothing, whatever grade table it came from: an error. Within one query it
  is fine.
"""

from __future__ import annotations

import logging
import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from relevance.product import Product
from relevance.product_row import product_content, read_product
from relevance.row_values import is_absent
from training.datasets.rows import place, rows_named
from training.datasets.schema import Judgement
from training.errors import DataError

log = logging.getLogger(__name__)

TARGET_DIGITS = 12
"""More than a grade tells apart; what tenths and sevenths lose as binary fractions lies behind them."""


class ProductTable:
    """The products of one file, by id; filled row by row, `line` being 0 where rows have no number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_id: dict[str, Product] = {}
        self.untitled: dict[str, int] = {}
        """Id → line of the products that have no title."""
        self._line_of: dict[str, int] = {}
        self._repeated = 0

    def add(self, fields: Mapping[str, Any], line: int = 0) -> None:
        """Take the product of `fields`, which hold an id; DataError names the file and line of a bad field."""
        if is_absent(fields.get("title")):
            self.untitled[fields["id"]] = line
            return
        with rows_named(self.path, line):
            product = read_product(fields)
        product_id = fields["id"]
        known = self.by_id.setdefault(product_id, product)
        if known is product:
            self._line_of[product_id] = line
        elif product_content(known) == product_content(product):
            self._repeated += 1
        else:
            first = place(self.path, self._line_of[product_id])
            raise DataError(
                f"{place(self.path, line)}: product id {product_id!r} occurs twice with different content, "
                f"first in {first}; keep one of them"
            )

    def refuse_judged(self, product_id: str, where: str) -> NoReturn:
        """DataError for a judgement, at `where`, of a product that is not in the table, or was left out of it."""
        if product_id in self.untitled:
            raise DataError(
                f"{place(self.path, self.untitled[product_id])}: 'title' is missing or empty, but product "
                f"{product_id!r} is judged in {where}; give it a title or drop its judgements"
            )
        raise DataError(f"{where}: product {product_id!r} is judged, but is no product of {self.path.name}")

    def log_left_out(self) -> None:
        """Say how many rows were left out, and why."""
        if self.untitled:
            log.warning("%s: products without a title are left out: %d", self.path, len(self.untitled))
        if self._repeated:
            log.warning("%s: rows that repeat a product word for word are left out: %d", self.path, self._repeated)


class JudgementTable:
    """The judged pairs of one file; filled row by row."""

    def __init__(self, path: Path, products: ProductTable) -> None:
        self._path = path
        self._products = products
        self._targets: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, query: str, product_id: str, target: float, line: int = 0) -> None:
        """Take one judgement."""
        if product_id not in self._products.by_id:
            self._products.refuse_judged(product_id, place(self._path, line))
        # Interned: a query comes once for each of its products, millions of times in all.
        self._targets[sys.intern(query), sys.intern(product_id)].append(target)

    def judgements(self) -> list[Judgement]:
        """All pairs in order of first appearance; DataError if there are none, or none to tell apart."""
        pairs = [Judgement(*pair, mean_target(given)) for pair, given in self._targets.items()]
        if not pairs:
            raise DataError(f"{self._path} has no judgements")
        if len({pair.target for pair in pairs}) == 1:
            raise DataError(
                f"{self._path}: all {len(pairs)} judged pairs have the target {pairs[0].target:g}, so there is nothing "
                "to learn; check the grades, and the grade table if there is one"
            )
        repeated = sum(len(given) - 1 for given in self._targets.values())
        if repeated:
            log.info("%s: judgements that repeat a pair are averaged into it: %d", self._path, repeated)
        return pairs


def mean_target(given: Sequence[float]) -> float:
    """The mean of one pair's targets, whatever their order: metrics ask whether it reaches a bound, as 0.5."""
    return round(math.fsum(given) / len(given), TARGET_DIGITS)
