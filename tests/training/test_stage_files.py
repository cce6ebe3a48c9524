from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.training.tiny import tiny_cross_encoder
from training.config import TEACHER_TEMPLATE, SplitSettings, StudentSettings
from training.errors import DataError, RunDirectoryError
from training.member_settings import EncoderMember
from training.models.backbone import load_pair_encoder
from training.models.pair_rule import EncoderInput
from training.models.split.student import SplitStudent
from training.stage_files import reading
from training.student import load_student, save_student
from training.teacher import Member
from training.teacher.encoders import save_encoder, saved_encoder

CROSS_ENCODER, SPLIT = StudentSettings(), StudentSettings.model_validate({"kind": "split"})


@pytest.fixture
def _umask_of_a_group() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def save_cross_encoder(directory: Path) -> None:
    save_student(tiny_cross_encoder(), directory)


def save_split_student(directory: Path) -> None:
    encoder = tiny_cross_encoder().bert
    encoder.pooler = None
    save_student(SplitStudent(encoder, SplitSettings(latent_width=16)), directory)


def save_teacher(directory: Path) -> None:
    rule = EncoderInput(load_pair_encoder(TEACHER_TEMPLATE))
    save_encoder(Member(tiny_cross_encoder(), rule), EncoderMember(), directory)


def of_another_width(path: Path) -> None:
    shape = json.loads(path.read_text(encoding="utf-8"))
    shape.get("encoder", shape)["hidden_size"] = 32
    path.write_text(json.dumps(shape), encoding="utf-8")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_no_shape(path: Path) -> None:
    path.write_text("[]", encoding="utf-8")


Damage = Callable[[Path], None]
DAMAGES = [
    ("weights", Path.unlink, "weights", "No such file or directory"),
    ("weights", half, "weights", "SafetensorError: "),
    ("shape", of_another_width, "weights", "RuntimeError: .*size mismatch"),
    ("shape", Path.unlink, "shape", "No such file or directory"),
    ("shape", half, "shape", ""),
    ("shape", of_no_shape, "shape", "TypeError: "),
]


def damaged(directory: Path, shape: str, case: tuple[str, Damage, str, str]) -> str:
    """Damages a saved model; gives what the error has to say before the remedy."""
    files = {"weights": "model.safetensors", "shape": shape}
    changed, damage, named, reason = case
    damage(directory / files[changed])
    return rf"^{directory / files[named]} cannot be read \({reason}"


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.parametrize("kind", ["cross-encoder", "split"])
def test_a_damaged_student_is_one_line_that_says_what_to_do(
    tmp_path: Path, kind: str, case: tuple[str, Damage, str, str]
) -> None:
    settings, save, shape = {
        "cross-encoder": (CROSS_ENCODER, save_cross_encoder, "config.json"),
        "split": (SPLIT, save_split_student, "split.json"),
    }[kind]
    save(tmp_path)
    load_student(tmp_path, settings)
    told = damaged(tmp_path, shape, case)
    with pytest.raises(RunDirectoryError, match=rf"{told}.*\); delete {tmp_path} to redo it$") as error:
        load_student(tmp_path, settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_member_is_one_line_and_its_teacher_is_to_be_redone(
    tmp_path: Path, case: tuple[str, Damage, str, str]
) -> None:
    directory = tmp_path / "teacher" / "member-0"
    directory.mkdir(parents=True)
    save_teacher(directory)
    saved_encoder(EncoderMember(), TEACHER_TEMPLATE, directory)
    told = damaged(directory, "config.json", case)
    with pytest.raises(RunDirectoryError, match=rf"{told}.*\); delete {tmp_path / 'teacher'} to redo it$") as error:
        saved_encoder(EncoderMember(), TEACHER_TEMPLATE, directory)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("_umask_of_a_group")
@pytest.mark.parametrize("save", [save_cross_encoder, save_split_student, save_teacher])
def test_weights_may_be_read_by_whom_the_umask_lets_read(tmp_path: Path, save: Callable[[Path], None]) -> None:
    save(tmp_path)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}.items() >= {
        ("model.safetensors", "0o640")
    }


def test_what_may_not_be_read_need_not_be_redone(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.touch()
    with (
        pytest.raises(RunDirectoryError, match=r"cannot be read \(Permission denied\); let this user read") as told,
        reading(path, tmp_path),
    ):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    assert "delete" not in str(told.value)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("no memory"), RunDirectoryError("as it is")])
def test_what_says_nothing_of_the_file_passes(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(type(error)) as told, reading(tmp_path / "x", tmp_path):
        raise error
    assert told.value is error


def test_a_long_reason_of_several_lines_is_cut(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with (
        pytest.raises(RunDirectoryError, match=r"\(a line a line .* …\); delete") as told,
        reading(tmp_path / "x", tmp_path),
    ):
        raise DataError("a line\n" * 100)
    assert len(str(told.value)) < 400
