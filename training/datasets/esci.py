"""Amazon ESCI, the Shopping Queries Dataset (amazon-science/esci-data, Apache-2.0; Reddy et al., arXiv 2206.06588).

Layout: the repository's `shopping_queries_dataset` folder, two Parquet tables. `…_examples.parquet`: example_id, query,
query_id, product_id, product_locale, esci_label (E, S, C, I), small_version and large_version (0 or 1), split (train,
test). `…_products.parquet`: product_id, product_title, product_description (often HTML), product_bullet_point (lines),
product_brand, product_color, product_locale; all but ids, locale and title may be null. A product is known by id and
locale together.

Options (`esci:DIR?locale=us&version=small&split=official`; these are the defaults): `locale` us, es or jp, each with
queries and products in its language; `version` small (task 1, ranking: the hard queries) or large (tasks 2 and 3);
`split` official (the test queries are held out, all of them) or random (by query and seed, as for other datasets).

Grade table: Exact → 1, Substitute → 0.5, Complement → 0, Irrelevant → 0: the paper's three targets (arXiv 2505.07105)
as its public re-implementation on ESCI reads them; a complement is no answer to the query. Amazon's own ranking gains
are 1, 0.1, 0.01, 0 (ranking/train.py of the repository), so nDCG on these targets and published nDCG on ESCI are not
comparable.

The catalogue, which the pool is drawn from too, is the products of the chosen locale that the chosen examples judge:
only these are loaded, and only their columns that a Product has. Bullet points follow the description in one long text.
A judged product without a title is left out together with its judgements and counted, unlike in other datasets:
a published file is not the user's to mend, and the repository's baseline first did the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as arrow

from training.datasets.assembly import JudgementTable, ProductTable
from training.datasets.html_text import html_text
from training.datasets.parquet import Columns, scan_parquet
from training.datasets.schema import Dataset, Judgement
from training.errors import ConfigError, DataError

EXAMPLES, PRODUCTS = "shopping_queries_dataset_examples.parquet", "shopping_queries_dataset_products.parquet"
FILES = (EXAMPLES, PRODUCTS)
TARGETS = {"E": 1.0, "S": 0.5, "C": 0.0, "I": 0.0}
SPLITS = ("train", "test")
OPTIONS = {"locale": ("us", "es", "jp"), "version": ("small", "large"), "split": ("official", "random")}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EsciOptions:
    """Which part of the dataset is read, and whose split divides it."""

    locale: str = "us"
    version: str = "small"
    split: str = "official"


def esci_options(text: str) -> EsciOptions:
    """The options after the "?"; ConfigError names an option or value that there is none of."""
    try:
        given = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError as error:
        raise ConfigError(f"data: the esci options {text!r} must be name=value, joined by '&'") from error
    for name, value in given:
        if name not in OPTIONS:
            raise ConfigError(f"data: esci has no option {name!r}, only {', '.join(OPTIONS)}")
        if value not in OPTIONS[name]:
            raise ConfigError(f"data: esci's {name} is {value!r}; it must be one of {', '.join(OPTIONS[name])}")
    if len(dict(given)) < len(given):
        raise ConfigError(f"data: the esci options {text!r} name an option twice")
    return EsciOptions(**dict(given))


def read_esci(directory: Path, options: EsciOptions) -> Dataset:
    """Read the chosen part; DataError names the file, and the example or product, of anything that is wrong."""
    path = directory / EXAMPLES
    examples = _read_examples(path, options)
    products = _read_products(directory / PRODUCTS, options.locale, pc.unique(examples["product_id"]))
    test: set[str] = set()
    if options.split == "official":
        test = set(examples.filter(pc.field("split") == "test")["query"].to_pylist())
    judgements = _judgements(examples, JudgementTable(path, products), products, test)
    held_out = frozenset(judgement.query for judgement in judgements) & test if options.split == "official" else None
    return Dataset("esci", products.by_id, judgements, held_out_queries=held_out)


def _judgements(examples: pa.Table, table: JudgementTable, products: ProductTable, test: set[str]) -> list[Judgement]:
    """The pairs, without those whose product has no title and, for `test` queries, those of the train split."""
    untitled = doubled = 0
    for _, query, product_id, label, split in _tuples(examples):
        if product_id in products.untitled:
            untitled += 1
        elif query in test and split != "test":
            doubled += 1
        else:
            table.add(query, product_id, TARGETS[label])
    if untitled:
        log.warning("esci: examples whose product has no title are left out: %d", untitled)
    if doubled:
        log.warning("esci: train examples of a query that is a test query too are left out: %d", doubled)
    return table.judgements()


def _read_examples(path: Path, options: EsciOptions) -> pa.Table:
    """Columns example_id, query, product_id, esci_label, split of the chosen examples, checked."""
    version = f"{options.version}_version"
    texts = ("query", "product_id", "esci_label", "split", "product_locale")

    def chosen(column: Columns) -> arrow.Expression:
        return (column["product_locale"] == options.locale) & (column[version].cast("int64") == 1)

    columns = ["example_id", *texts[:-1]]
    batches = [batch.select(columns) for batch in scan_parquet(path, texts, chosen, ("example_id", version))]
    if not sum(map(len, batches)):
        raise DataError(f"{path} has no examples of locale {options.locale!r} in the {options.version} version")
    examples = pa.Table.from_batches(batches)
    for column, known in (("esci_label", tuple(TARGETS)), ("split", SPLITS)):
        good = pc.is_in(examples[column], value_set=pa.array(known))
        _refuse(path, examples, (column, f"is none of {', '.join(known)}"), pc.invert(good))
    for column in ("query", "product_id"):
        trimmed = pc.utf8_trim_whitespace(pc.fill_null(examples[column], ""))
        _refuse(path, examples, (column, "is missing or empty"), pc.equal(trimmed, ""))
    return examples.set_column(columns.index("query"), "query", pc.utf8_trim_whitespace(examples["query"]))


def _refuse(path: Path, examples: pa.Table, fault: tuple[str, str], bad: pa.ChunkedArray) -> None:
    """DataError naming the first `bad` row, if there is one."""
    row = pc.index(bad, True).as_py()
    if row >= 0:
        (column, problem), example = fault, examples.slice(row, 1).to_pylist()[0]
        raise DataError(f"{path}: example_id {example['example_id']}: {column} {example[column]!r} {problem}")


def _read_products(path: Path, locale: str, wanted: pa.Array) -> ProductTable:
    texts = ["product_id", "product_title", "product_description", "product_bullet_point"]
    texts += ["product_brand", "product_color"]
    products = ProductTable(path)

    def chosen(column: Columns) -> arrow.Expression:
        return (column["product_locale"] == locale) & column["product_id"].isin(wanted)

    for batch in scan_parquet(path, [*texts, "product_locale"], chosen):
        for product_id, title, description, bullets, brand, color in _tuples(batch.select(texts)):
            long_text = " ".join(filter(None, (html_text(text) for text in (description, bullets) if text)))
            products.add(
                {
                    "id": product_id,
                    "title": (title or "").strip(),
                    "brand": (brand or "").strip() or None,
                    "color": (color or "").strip() or None,
                    "description": long_text or None,
                }
            )
    products.log_left_out()
    return products


def _tuples(table: pa.Table | pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows as tuples, a batch at a time: a whole table of Python strings would be several times its size."""
    for batch in table.to_batches() if isinstance(table, pa.Table) else [table]:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
