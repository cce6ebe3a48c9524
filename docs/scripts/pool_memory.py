"""How much memory a pool of a given size takes to draw, to label and to train on.

`python -m docs.scripts.pool_memory --pairs 1000000 10000000` draws synthetic pools over one small catalogue
with a stub encoder (unit vectors of random words), labels them with a stub teacher (a line in the cosine)
and walks batches of an epoch without a model. Each phase is a process of its own; the table tells its
seconds and its peak memory: resident, and the anonymous part of it (the rest are pages of mapped files,
which the system takes back when it needs the memory).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[2]
PHASES = ("draw", "label", "batches")
PER_QUERY = 16
DIMENSIONS = 32
WORDS = 3000
PRODUCTS = 4000
REPEATS = 5
"""How often a query of the log is drawn, so that the log grows with the pool."""
SAMPLE_SECONDS = 0.2


class StubEncoder:
    """A text's vector is the mean of its words' random ones."""

    def __init__(self) -> None:
        self._words = np.random.default_rng(0).normal(size=(WORDS, DIMENSIONS)).astype(np.float32)

    def encode(self, texts: Sequence[str], /) -> npt.NDArray[np.float32]:
        rows = [self._words[[int(word[1:]) for word in text.split()]].sum(0) for text in texts]
        vectors = np.array(rows, dtype=np.float32)
        unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def encode_products(self, products: Sequence[object], /) -> npt.NDArray[np.float32]:
        return self.encode([product.title for product in products])  # type: ignore[attr-defined]


def draw(folder: Path, pairs: int) -> None:
    """Draw the pool as a run does."""
    from relevance.product import Product  # noqa: PLC0415
    from training.config import DistillSettings, PoolSettings  # noqa: PLC0415
    from training.datasets.schema import LoggedQuery  # noqa: PLC0415
    from training.pool.drawing import draw_pool  # noqa: PLC0415
    from training.pool.queries import PoolSources  # noqa: PLC0415
    from training.progress import progress_bar  # noqa: PLC0415
    from training.run_directory import Stage  # noqa: PLC0415

    rng = random.Random(0)
    products = [Product(title=_words(rng, 8), product_type=f"w{rng.randrange(60)}") for _ in range(PRODUCTS)]
    log = [LoggedQuery(_words(rng, 3)) for _ in range(max(1, pairs // PER_QUERY // REPEATS))]
    settings = DistillSettings(pool=PoolSettings(pairs=pairs, candidates_per_query=PER_QUERY))
    (folder / "pool").mkdir()
    draw_pool(PoolSources(log, [], products, []), settings, StubEncoder(), Stage(folder / "pool"), progress_bar)


def label(folder: Path, pairs: int) -> None:
    """Write a logit for each pair, block by block."""
    from training.pool import load_pool  # noqa: PLC0415
    from training.pool.report import write_pool_report  # noqa: PLC0415
    from training.run_directory import Stage  # noqa: PLC0415

    pool = load_pool(Stage(folder / "pool"))
    with (folder / "labels.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (len(pool),)})
        for rows in pool.blocks():
            file.write((8.0 * pool.cosine[rows] - 3.0).astype("<f4").tobytes())
    write_pool_report(pool, np.load(folder / "labels.npy", mmap_mode="r"), folder / "report.md")


def batches(folder: Path, pairs: int, walked: int = 2000) -> None:
    """Plan the whole epoch and make the first batches of it."""
    from training.config import STUDENT_TEMPLATE, StudentSettings  # noqa: PLC0415
    from training.models.backbone import load_pair_encoder  # noqa: PLC0415
    from training.pool import load_pool  # noqa: PLC0415
    from training.run_directory import Stage  # noqa: PLC0415
    from training.student.pool_batches import PoolBatches  # noqa: PLC0415

    labels = np.load(folder / "labels.npy", mmap_mode="r")
    source = PoolBatches(
        load_pool(Stage(folder / "pool")), labels, load_pair_encoder(STUDENT_TEMPLATE), StudentSettings(), 0
    )
    for step in range(min(walked, len(source))):
        assert np.isfinite(source[step].targets.numpy()).all()


def main() -> None:
    """Run every phase for every size in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        print(json.dumps(_measured({"draw": draw, "label": label, "batches": batches}[options.phase], options)))
        return
    print("| pairs | phase | seconds | peak resident, MiB | of it anonymous, MiB |\n| --: | --- | --: | --: | --: |")
    for pairs in options.pairs:
        with tempfile.TemporaryDirectory() as folder:
            for phase in PHASES:
                _run(pairs, phase, folder)


def _run(pairs: int, phase: str, folder: str) -> None:
    command = [sys.executable, "-m", "docs.scripts.pool_memory", "--pairs", str(pairs), "--phase", phase]
    output = subprocess.run([*command, "--folder", folder], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(output.stdout.splitlines()[-1])
    figures = " | ".join(f"{found[name]:.0f}" for name in ("seconds", "resident", "anonymous"))
    print(f"| {pairs:,} | {phase} | {figures} |", flush=True)


def _measured(phase: Callable[[Path, int], None], options: argparse.Namespace) -> dict[str, float]:
    most, done = 0.0, threading.Event()

    def sample() -> None:
        nonlocal most
        while not done.wait(SAMPLE_SECONDS):
            most = max(most, _megabytes("RssAnon"))

    sampler, started = threading.Thread(target=sample), time.monotonic()
    sampler.start()
    try:
        phase(options.folder, options.pairs[0])
    finally:
        done.set()
        sampler.join()
    return {"seconds": time.monotonic() - started, "resident": _megabytes("VmHWM"), "anonymous": most}


def _megabytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"/proc/self/status has no {name}")


def _words(rng: random.Random, count: int) -> str:
    return " ".join(f"w{rng.randrange(WORDS)}" for _ in range(count))


if __name__ == "__main__":
    main()
