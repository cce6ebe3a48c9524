"""Labelling on Ray Data: the map of the local engine over several processes, GPUs or machines.

What travels is shard numbers. Each worker loads teacher and pool once from the run directory, which every machine
of the cluster must see at the same path, and writes its shards itself: a worker that dies loses only the shard it
was at, which Ray gives to another one. The driver believes no worker: it reads all shards again at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from training.config import LabellingSettings
from training.errors import ConfigError, LabellingError, RunDirectoryError, TrainingError
from training.labels.block import label_shard
from training.labels.shards import Shard, shard_path
from training.pool import Pool, load_pool
from training.run_directory import Stage
from training.teacher import Teacher, load_teacher

ATTEMPTS = 4
"""How often a shard is begun in one run: one that kills whoever takes it must not go round for ever."""
OBJECT_STORE_BYTES = 100_000_000
"""Of a Ray started here; only shard numbers pass through it. Ray's least is 75 MiB."""
ERRORS: dict[str, type[TrainingError]] = {kind.__name__: kind for kind in TrainingError.__subclasses__()}

Rows = dict[str, Any]
"""A block of Ray Data: column → array."""


class ShardLabeller:
    """One worker of the pool. `stage` is the labels stage's folder; teacher and pool lie beside it."""

    def __init__(self, stage: str, threads: int) -> None:
        self._stage = Stage(Path(stage))
        self._models: tuple[Teacher, Pool] | None = None
        torch.set_num_threads(threads)

    def __call__(self, shards: Rows) -> Rows:
        """Label each shard; what a person can act on comes back as a value, so that Ray does not try it again."""
        columns = (shards[name].tolist() for name in ("number", "start", "stop"))
        problems = [self._problem(Shard(*row)) for row in zip(*columns, strict=True)]
        return {
            "pairs": shards["stop"] - shards["start"],
            "kind": [type(problem).__name__ for problem in problems],
            "error": [str(problem or "") for problem in problems],
        }

    def _problem(self, shard: Shard) -> TrainingError | None:
        attempts = attempts_path(self._stage, shard)
        try:
            with _kept(attempts):
                begun = attempts.stat().st_size if attempts.exists() else 0
                if begun < ATTEMPTS:
                    with attempts.open("ab") as file:
                        file.write(b".")
            if begun >= ATTEMPTS:
                return LabellingError(
                    f"pairs {shard.start} to {shard.stop} were begun {begun} times, and each time the worker died; "
                    "finished shards are kept: see to its memory (or take fewer labelling.pairs_per_shard in a new "
                    "run directory) and run again"
                )
            self.label(shard)
            with _kept(attempts):
                attempts.unlink()
        except TrainingError as problem:
            return problem
        return None

    def label(self, shard: Shard) -> None:
        """Label one shard and write its file."""
        # Loaded at the first shard and not in __init__: there an error could not come back as a value.
        if self._models is None:
            self._models = _models_of(self._stage.directory.parent)
        label_shard(*self._models, self._stage, shard)


def _models_of(run: Path) -> tuple[Teacher, Pool]:
    """Teacher and pool of a run directory; RunDirectoryError if this machine does not see all of their files."""
    try:
        return load_teacher(Stage(run / "teacher")), load_pool(Stage(run / "pool"))
    except (OSError, RunDirectoryError) as error:
        # The driver has read them: what one worker does not find is more likely out of its sight than damaged.
        raise RunDirectoryError(
            f"teacher and pool cannot be read from {run} ({error}); every machine of the cluster must see the whole "
            "run directory at that path: see to it and run again"
        ) from error


@contextmanager
def _kept(attempts: Path) -> Iterator[None]:
    """RunDirectoryError if the attempts can not be counted."""
    try:
        yield
    except OSError as error:
        raise RunDirectoryError(f"{attempts} cannot be written ({error}); free space there and run again") from error


def attempts_path(stage: Stage, shard: Shard) -> Path:
    """File with one byte for each time that a worker began with the shard; removed when it is done."""
    path = shard_path(stage, shard.number)
    return path.with_name(f"{path.name}.attempts")


def label_with_ray(
    stage: Stage, shards: Sequence[Shard], settings: LabellingSettings, progress: Callable[[int], None]
) -> None:
    """Label `shards` with the cluster at RAY_ADDRESS, or with a Ray of this machine for the time it takes."""
    if find_spec("ray") is None:
        raise ConfigError(
            "labelling.engine is 'ray', but Ray is not installed; install Aisle with its 'distributed' extra"
        )
    import ray.data  # noqa: PLC0415  # an extra that only this engine needs

    for shard in shards:
        attempts_path(stage, shard).unlink(missing_ok=True)
    with _cluster(ray, settings):
        for done in _labelled(ray, stage, shards, settings):
            raise_first_error(done)
            progress(int(sum(done["pairs"])))


def raise_first_error(done: Rows) -> None:
    """Raise the first error that a worker gave back, as the local engine would have raised it."""
    for kind, error in zip(done["kind"], done["error"], strict=True):
        if error:
            raise ERRORS.get(kind, LabellingError)(error)


def _labelled(ray: Any, stage: Stage, shards: Sequence[Shard], settings: LabellingSettings) -> Iterator[Rows]:
    rows = [{"number": shard.number, "start": shard.start, "stop": shard.stop} for shard in shards]
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    gpus = settings.ray_gpus_per_worker if ray.cluster_resources().get("GPU") else 0
    workers = min(settings.ray_workers, len(shards))
    labelled = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        ShardLabeller,
        fn_constructor_args=(str(stage.directory.resolve()), settings.ray_cpus_per_worker),
        batch_size=1,
        # One worker is enough to begin with: a cluster that grows, or has less to give, is no reason to wait.
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
        num_cpus=settings.ray_cpus_per_worker,
        num_gpus=gpus,
        # Ray Data starts dead workers again, and gives their shards out again, without end: see ATTEMPTS.
    )
    yield from labelled.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy")


@contextmanager
def _cluster(ray: Any, settings: LabellingSettings) -> Iterator[None]:
    """The Ray that this process is already part of, the one at RAY_ADDRESS, or one of this machine's own."""
    if ray.is_initialized():
        yield
        return
    # Nobody who labels a pool has asked to have that told to others.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    local = {
        "num_cpus": settings.ray_workers * settings.ray_cpus_per_worker,
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
        # Workers must run this very code, wherever it lies and whoever else has an Aisle installed.
        "runtime_env": {"env_vars": {"PYTHONPATH": _python_path()}},
    }
    try:
        ray.init(address=address or "local", logging_level="warning", **({} if address else local))
        yield
    except TrainingError:
        raise
    except Exception as error:
        # Ray has no base class for what can go wrong: a bare Exception tells that it did not start.
        raise LabellingError(
            f"Ray {f'at {address}' if address else 'on this machine'} failed ({type(error).__name__}: {error}); "
            "finished shards are kept: see to it (memory, network, the workers' versions) and run again"
        ) from error
    finally:
        ray.shutdown()


def _python_path() -> str:
    here = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
