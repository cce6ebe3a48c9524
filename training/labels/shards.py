"""The files of the labels stage: Parquet shards while it runs, one memory-mapped array once it is done.

Shards are what a killed run goes on from, so they are small, each written whole or not at all, and read again
before they count. `logits.npy` is put together from them at the end: 4 bytes a pair, mapped, never held as objects.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from relevance.bundle import sha256_of
from relevance.disk_errors import has_remedy, remedy
from training.errors import RunDirectoryError
from training.models.cross_encoder import Logits
from training.run_directory import MANIFEST, Stage, whole_file, write_json

log = logging.getLogger("aisle.training")

PLAN = "plan.json"
LABELS = "logits.npy"


@dataclass(frozen=True, slots=True)
class Shard:
    """Pool rows start … stop − 1, and the number that names their file."""

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def plan_shards(stage: Stage, pairs: int, pairs_per_shard: int) -> list[Shard]:
    """Cut `pairs` rows into shards of the size that this stage began with, so that a changed setting loses none."""
    path = stage.directory / PLAN
    if not path.exists():
        write_json(path, {"pairs_per_shard": pairs_per_shard})
    size = _planned_size(path)
    if size != pairs_per_shard:
        log.info("labels: going on with shards of %d pairs, as they were begun, not %d", size, pairs_per_shard)
    return [Shard(number, start, min(start + size, pairs)) for number, start in enumerate(range(0, pairs, size))]


def _planned_size(path: Path) -> int:
    """Pairs in a shard, at least one; RunDirectoryError if the plan does not tell."""
    mend = f"delete {path.parent} to label again"
    try:
        size = int(json.loads(path.read_text(encoding="utf-8"))["pairs_per_shard"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunDirectoryError(f"{path} cannot be read ({error}); {mend}") from error
    if size < 1:
        raise RunDirectoryError(f"{path} is damaged (its shards are of {size} pairs); {mend}")
    return size


def missing_shards(stage: Stage, shards: Sequence[Shard]) -> list[Shard]:
    """The shards still to be labelled. A damaged one is among them: while the stage runs, labels are made anew."""
    missing = []
    for shard in shards:
        path = shard_path(stage, shard.number)
        if not path.exists():
            missing.append(shard)
            continue
        try:
            read_shard(path, shard)
        except RunDirectoryError as error:
            log.warning("labels: labelling pairs %d to %d again: %s", shard.start, shard.stop, error)
            missing.append(shard)
    return missing


def shard_path(stage: Stage, number: int) -> Path:
    """File of a shard."""
    return stage.directory / f"logits-{number:05d}.parquet"


def write_shard(path: Path, shard: Shard, logits: Logits) -> None:
    """Write a shard whole or not at all; RunDirectoryError if the disk does not take it."""
    pair = np.arange(shard.start, shard.stop, dtype=np.int64)
    with whole_file(path) as partial:
        pq.write_table(pa.table({"pair": pair, "logit": logits}), partial)


def read_shard(path: Path, shard: Shard) -> Logits:
    """Logits (len(shard),); RunDirectoryError if the file is damaged or holds other pairs."""
    try:
        table = pq.read_table(path)
        pair: npt.NDArray[np.int64] = table["pair"].to_numpy()
        logits: Logits = table["logit"].to_numpy()
        numbers = table["logit"].type == pa.float32() and not table["logit"].null_count
    except (OSError, KeyError, pa.ArrowException) as error:
        raise RunDirectoryError(f"{path} is damaged ({error}); run again to label its pairs anew") from error
    if not (numbers and np.isfinite(logits).all()):
        raise RunDirectoryError(
            f"{path} is damaged (its logits are not all finite float32 numbers); run again to label its pairs anew"
        )
    if not np.array_equal(pair, np.arange(shard.start, shard.stop)):
        raise RunDirectoryError(f"{path} does not hold pairs {shard.start} to {shard.stop}; run again to redo them")
    return logits


def join_shards(stage: Stage, shards: Sequence[Shard]) -> str:
    """Write `logits.npy` from all shards, one in memory at a time; returns its SHA-256."""
    path = stage.directory / LABELS
    with whole_file(path) as partial, partial.open("wb") as file:
        shape = (shards[-1].stop if shards else 0,)
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for shard in shards:
            file.write(read_shard(shard_path(stage, shard.number), shard).astype("<f4").tobytes())
    return sha256_of(path)


def load_labels(stage: Stage) -> Logits:
    """Teacher logits (n,) of the whole pool, mapped from the finished stage's file, read-only.

    RunDirectoryError if it is not the file that the manifest tells of.
    """
    path, finished = stage.directory / LABELS, stage.directory / MANIFEST
    # The shards are worth hours; what is said of them is not.
    manifest = stage.manifest(needs=("sha256",), redo=finished)
    mend = (
        f"delete {finished} and run again: it is put together from the whole shards; student, "
        "evaluation and export are then made anew"
    )
    try:
        if sha256_of(path) != manifest["sha256"]:
            raise RunDirectoryError(f"{path} is damaged (its SHA-256 is not the manifest's); {mend}")
        mapped = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and has_remedy(error):
            mend = remedy(error)
        raise RunDirectoryError(f"{path} cannot be read ({error}); {mend}") from error
    # A plain array over the map: slices of np.memmap carry its class and its cost along.
    labels: Logits = mapped.view(np.ndarray)
    return labels
