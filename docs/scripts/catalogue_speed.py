"""How fast a catalogue is built beside its encoder driven directly, and how fast it is read.

`python -m docs.scripts.catalogue_speed --bundle runs/split/bundle`: the raw encoder runs the same length-sorted
batches, tokenised before, in as many threads; both in interleaved rounds, by the clock and by the processor time that
they take, which sways less on a machine with other work. Then records of `--records` made-up products
are looked up, fifty at a time and in random order, by key and by id. One JSON line; medians.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

import numpy as np

from export.catalogue_build import PRODUCTS_PER_BLOCK, Encoder, build_catalogue
from export.product_encoder import BATCH_TOKENS, open_encoder
from export.product_file import ProductFile
from export.sessions import cpu_session
from loadtest.bench.split_arena import shop
from loadtest.measured import quantile_ms
from relevance.bundle import Bundle, load_bundle
from relevance.catalogue import Catalogue, CatalogueWriter
from relevance.length_sorting import length_sorted_batches
from relevance.product_record import KEY_BYTES, ProductRecord
from relevance.split_inputs import Feed, encoder_inputs
from relevance.split_pair import ProductText, SplitPairEncoder

ItemT = TypeVar("ItemT")

TOKENS, AT_ONCE, LOOKUPS, PER_WRITE = 47, 50, 2_000, 1_000


def products_file(count: int, folder: Path) -> Path:
    """So many products of a shop, as a file that `export.catalogue` reads."""
    lists = shop(AT_ONCE, 4 * count, zipf=0.0).bodies(2 * count // AT_ONCE)
    products = {product["id"]: product for body in lists for product in body["candidates"]}
    path = folder / "products.jsonl"
    path.write_text("".join(json.dumps(product) + "\n" for product in list(products.values())[:count]))
    return path


def raw_batches(bundle: Bundle, file: Path) -> list[Feed]:
    """The encoder's inputs for the batches of a build, in its order."""
    rule = SplitPairEncoder(bundle.tokenizer(), bundle.manifest.template, bundle.encoder_version("int8"))
    feeds = []
    for block in ProductFile(file).blocks(PRODUCTS_PER_BLOCK):
        texts = [text for text in rule.encode_products(block) if isinstance(text, ProductText)]
        ids = [rule.alone(text) for text in texts]
        for rows in length_sorted_batches([len(each) for each in ids], BATCH_TOKENS):
            feeds.append(encoder_inputs([ids[row] for row in rows], rule.pad_id))
    return feeds


def building(bundle: Bundle, count: int, rounds: int) -> dict[str, float]:
    """Products a second, raw and built."""
    session = cpu_session(bundle.split_path("int8", "encoder"), threads=1)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        folder = Path(name)
        file = products_file(count, folder)
        feeds, encoder = raw_batches(bundle, file), open_encoder(bundle.directory)
        raw, built = [], []
        for turn in range(rounds):
            raw.append(spent(lambda: list(threads.map(lambda feed: session.run(["latents"], feed), feeds))))
            built.append(spent(partial(_build, file, folder / f"catalogue-{turn}", encoder)))
    ratios = [(r.clock / b.clock, r.processor / b.processor) for b, r in zip(built, raw, strict=True)]
    by_clock, by_processor = (round(median(column), 3) for column in zip(*ratios, strict=True))
    return {
        "raw": round(median(count / each.clock for each in raw), 1),
        "built": round(median(count / each.clock for each in built), 1),
        "built to raw": by_clock,
        "built to raw, processor time": by_processor,
    }


def _build(file: Path, target: Path, encoder: Encoder) -> None:
    build_catalogue(ProductFile(file), target, encoder)


def reading(width: int, records: int) -> dict[str, float | None]:
    """Milliseconds of looking up fifty, from pages that the system has in memory."""
    rng, shuffled = np.random.default_rng(0), random.Random(0)
    ids = np.arange(TOKENS, dtype=np.uint32)
    keys = [rng.bytes(KEY_BYTES) for _ in range(records)]
    with tempfile.TemporaryDirectory() as name:
        writer = CatalogueWriter(Path(name) / "catalogue", "made-up", width, "none")
        for start in range(0, records, PER_WRITE):
            part = keys[start : start + PER_WRITE]
            latents = rng.integers(-127, 128, (len(part), TOKENS, width), dtype=np.int8)
            names = [f"p{start + row}" for row in range(len(part))]
            writer.add(names, part, [ProductRecord(ids, own, False) for own in latents])
        writer.finish()
        writer.close()
        opened: list[Catalogue] = []
        opening = seconds(lambda: opened.append(Catalogue.open(Path(name) / "catalogue", "made-up")))
        (catalogue,) = opened
        by_key = [seconds(partial(catalogue.get, part)) for part in draws(shuffled, keys)]
        named = [f"p{row}" for row in range(records)]
        by_id = [seconds(partial(catalogue.find, part)) for part in draws(shuffled, named)]
        found: dict[str, float | None] = {
            "open": round(1000 * opening, 1),
            "bytes a product": catalogue.size_bytes / records,
        }
    for what, took in (("records by key", by_key), ("keys by id", by_id)):
        found |= {f"{what}, p50": quantile_ms(took, 0.5), f"{what}, p99": quantile_ms(took, 0.99)}
    return found


def draws(source: random.Random, items: Sequence[ItemT]) -> list[list[ItemT]]:
    """LOOKUPS samples of AT_ONCE."""
    return [source.sample(items, AT_ONCE) for _ in range(LOOKUPS)]


class Spent(NamedTuple):
    """Seconds of one run."""

    clock: float
    processor: float


def spent(work: Callable[[], object]) -> Spent:
    """What one run takes, all of the process's threads together."""
    begun = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - begun[0], time.process_time() - begun[1])


def seconds(work: Callable[[], object]) -> float:
    """Of one run."""
    return spent(work).clock


def main() -> None:
    """Print both as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--products", type=int, default=2_048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    assert bundle.manifest.split is not None
    build = building(bundle, options.products, options.rounds)
    read = reading(bundle.manifest.split.latent_width, options.records)
    print(json.dumps({"products a second": build, "rounds": options.rounds, "fifty lookups in ms": read}))


if __name__ == "__main__":
    main()
