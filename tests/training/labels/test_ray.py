"""The Ray engine with real Ray workers on this machine: a tiny teacher, a pool of four shards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import ray
import torch

from relevance.calibration import Calibration
from tests.training.tiny import save_pool, tiny_cross_encoder, tiny_pool
from training.config import STUDENT_TEMPLATE, LabellingSettings, TeacherSettings
from training.errors import (
    ConfigError,
    DataError,
    DivergenceError,
    LabellingError,
    ProcessError,
    RunDirectoryError,
    TrainingError,
)
from training.labels import label_pool, load_labels
from training.labels import ray as engine
from training.labels.ray import ATTEMPTS, ShardLabeller, attempts_path, raise_first_error
from training.labels.shards import Shard, shard_path
from training.member_settings import EncoderMember
from training.models.backbone import load_pair_encoder
from training.models.pair_rule import EncoderInput
from training.pool import Pool, load_pool
from training.run_directory import RunDirectory, Stage
from training.teacher import Member, Teacher, load_teacher, save_teacher
from training.teacher.files import member_stage
from training.teacher.members import save_member

ROOT = Path(__file__).parents[3]
ON_RAY = LabellingSettings(engine="ray", pairs_per_shard=8, ray_workers=2)
# Ray Data warns of its own deprecated settings, which it sets itself.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\..*")
IN_PROCESS = LabellingSettings(pairs_per_shard=8)


def prepared(path: Path, bias: float = 0.0) -> tuple[Teacher, Pool, Stage]:
    """A run directory with a pool and a teacher, read back as a run does, and its labels stage."""
    directory = RunDirectory(path, {})
    save_pool(tiny_pool(), directory.stage("pool"))
    model = tiny_cross_encoder()
    model.classifier.bias.data.fill_(bias)
    member = Member(model, EncoderInput(load_pair_encoder(STUDENT_TEMPLATE)))
    stage = directory.stage("teacher")
    save_member(member, EncoderMember(), member_stage(stage, 0), Calibration(scale=8, bias=-3))
    save_teacher(TeacherSettings(template=STUDENT_TEMPLATE), stage)
    return load_teacher(stage), load_pool(directory.stage("pool")), directory.stage("labels")


def labels_of_the_local_engine(teacher: Teacher, pool: Pool, path: Path) -> np.ndarray:
    path.mkdir()
    torch.set_num_threads(1)
    label_pool(teacher, pool, Stage(path), settings=IN_PROCESS)
    return np.array(load_labels(Stage(path)))


def test_a_killed_worker_loses_nothing_and_the_labels_are_those_of_the_local_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, pool, stage = prepared(tmp_path / "run")
    expected = labels_of_the_local_engine(teacher, pool, tmp_path / "local")
    killed = tmp_path / "killed"

    class KilledOnce(ShardLabeller):
        """Dies as if for want of memory: in the middle of a shard, with half of its file written."""

        def label(self, shard: Shard) -> None:
            path = shard_path(self._stage, shard.number)
            if shard.number == 2 and not killed.exists():
                killed.touch()
                path.with_name(f"{path.name}.partial").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            super().label(shard)

    monkeypatch.setattr(engine, "ShardLabeller", KilledOnce)
    done: list[int] = []
    label_pool(teacher, pool, stage, done.append, ON_RAY)
    assert killed.exists()
    assert not ray.is_initialized()
    assert not list(stage.directory.glob("*.attempts"))
    assert done[0] == 0
    assert sum(done) == len(pool)
    # One thread in each process, and the same batches inside a shard: the same bits.
    np.testing.assert_array_equal(load_labels(stage), expected)


def test_a_killed_run_goes_on_with_the_shards_that_are_done(tmp_path: Path) -> None:
    teacher, pool, stage = prepared(tmp_path / "run")
    expected = labels_of_the_local_engine(teacher, pool, tmp_path / "local")
    code = f"""
from pathlib import Path
from training.config import LabellingSettings
from training.labels import label_pool
from training.pool import load_pool
from training.run_directory import Stage
run = Path({str(tmp_path / "run")!r})
settings = LabellingSettings(engine="ray", pairs_per_shard=8, ray_workers=1)
label_pool(None, load_pool(Stage(run / "pool")), Stage(run / "labels"), settings=settings)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(stage.directory.glob("*.parquet")):
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.02)
        process.send_signal(signal.SIGKILL)
    assert not stage.finished, "the labels were done before the run could be killed"
    done: list[int] = []
    label_pool(teacher, pool, stage, done.append, IN_PROCESS)
    assert done[0] >= 8
    np.testing.assert_array_equal(load_labels(stage), expected)


def labelled_here(stage: Stage, shard: Shard) -> None:
    """What a worker does with a shard, in this process, and what the driver makes of its answer."""
    rows = {"number": np.array([shard.number]), "start": np.array([shard.start]), "stop": np.array([shard.stop])}
    raise_first_error(ShardLabeller(str(stage.directory), torch.get_num_threads())(rows))


def test_what_stops_a_worker_is_told_as_the_local_engine_tells_it(tmp_path: Path) -> None:
    _, _, stage = prepared(tmp_path, bias=float("nan"))
    with pytest.raises(DivergenceError, match=r"pool pair 8 is not finite \(query '"):
        labelled_here(stage, Shard(1, 8, 16))
    (stage.directory.parent / "teacher" / "manifest.json").unlink()
    with pytest.raises(RunDirectoryError, match="teacher"):
        labelled_here(stage, Shard(1, 8, 16))


def test_a_teacher_that_a_worker_does_not_see_is_no_full_disk(tmp_path: Path) -> None:
    _, _, stage = prepared(tmp_path)
    (tmp_path / "teacher" / "member-0" / "model.safetensors").unlink()
    with pytest.raises(RunDirectoryError, match=rf"teacher and pool cannot be read from {tmp_path} .*safetensors"):
        labelled_here(stage, Shard(1, 8, 16))


def test_attempts_that_can_not_be_counted_are_told(tmp_path: Path) -> None:
    _, _, stage = prepared(tmp_path)
    attempts_path(stage, Shard(1, 8, 16)).symlink_to("/dev/full")
    with pytest.raises(RunDirectoryError, match=r"attempts cannot be written .*No space left.*free space"):
        labelled_here(stage, Shard(1, 8, 16))


@pytest.mark.parametrize("kind", [DataError, ProcessError, RunDirectoryError])
def test_any_error_of_training_comes_back_as_itself(kind: type[TrainingError], tmp_path: Path) -> None:
    class Stopped(ShardLabeller):
        def label(self, shard: Shard) -> None:
            raise kind("line 3 is no product")

    with pytest.raises(kind, match=r"^line 3 is no product$"):
        raise_first_error(
            Stopped(str(tmp_path), 1)({"number": np.array([0]), "start": np.array([0]), "stop": np.array([8])})
        )


def test_an_error_that_the_driver_does_not_know_keeps_its_words() -> None:
    with pytest.raises(LabellingError, match=r"^told by a newer worker$"):
        raise_first_error({"kind": ["NewerError"], "error": ["told by a newer worker"], "pairs": [8]})


def test_a_shard_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    shard = Shard(2, 16, 24)
    attempts_path(Stage(tmp_path), shard).write_bytes(b"." * ATTEMPTS)
    with pytest.raises(LabellingError, match=f"pairs 16 to 24 were begun {ATTEMPTS} times"):
        labelled_here(Stage(tmp_path), shard)


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="'distributed' extra"):
        label_pool(None, tiny_pool(), Stage(tmp_path), settings=ON_RAY)  # type: ignore[arg-type]
