from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from relevance.calibration import Calibration
from tests.training.tiny import tiny_cross_encoder
from tests.training.tiny_models import encoder_backbone
from training.config import TEACHER_TEMPLATE, SplitSettings, StudentSettings
from training.errors import DataError, RunDirectoryError
from training.member_settings import EncoderMember
from training.models.backbone import load_pair_encoder
from training.models.pair_rule import EncoderInput
from training.models.split.student import SplitStudent
from training.run_directory import Stage
from training.stage_files import model_digests, reading, writing
from training.student import load_student, save_student, student_rule, student_tokenizer
from training.teacher import Member
from training.teacher.encoders import save_encoder, saved_encoder
from training.teacher.members import save_member

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


def without_head(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}
    save_file(kept, directory / "model.safetensors", {"format": "pt"})


def with_one_layer(directory: Path) -> None:
    path = directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "num_hidden_layers": 1}), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_head, r"2 missing weights, classifier\.bias the first"),
        (with_one_layer, "16 unexpected weights,"),
    ],
)
def test_weights_that_are_not_those_of_the_configuration_are_not_filled_up(
    tmp_path: Path, change: Callable[[Path], None], told: str
) -> None:
    save_cross_encoder(tmp_path)
    change(tmp_path)
    with pytest.raises(RunDirectoryError, match=rf"{tmp_path}/model\.safetensors .*{told}.*; delete {tmp_path} to"):
        load_student(tmp_path, CROSS_ENCODER)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_student_of_which_a_file_was_changed_since_it_was_finished_is_refused(tmp_path: Path, name: str) -> None:
    save_cross_encoder(tmp_path)
    digests = model_digests(tmp_path)
    assert list(digests) == ["config.json", "model.safetensors", "tokenizer.json"]
    Stage(tmp_path).finish({"sha256": digests})
    load_student(tmp_path, CROSS_ENCODER)
    other = tmp_path / "other"
    save_student(tiny_cross_encoder(seed=1), other)
    shutil.copyfile(other / name, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b"\n" * (name != "model.safetensors"))
    told = rf"^{tmp_path / name} was changed after it was finished .*; delete {tmp_path} to redo it$"
    with pytest.raises(RunDirectoryError, match=told):
        load_student(tmp_path, CROSS_ENCODER)


def test_the_error_of_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(RunDirectoryError, match=rf"^{tmp_path} cannot be written \(SafetensorError: .*\); if the disk"),
        writing(tmp_path),
    ):
        raise SafetensorError("Error while serializing: I/O error: File too large (os error 27)")
    with (
        pytest.raises(RunDirectoryError, match=rf"^{tmp_path}/a cannot .* space left.*; free "),
        writing(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a"))


def test_a_student_that_the_disk_does_not_take_names_where(tmp_path: Path) -> None:
    # The kernel's own ENOSPC, without a file system that would have to be mounted.
    (tmp_path / "config.json").symlink_to("/dev/full")
    with pytest.raises(RunDirectoryError, match=rf"^{tmp_path}.* \(No space left .*\); free space there"):
        save_cross_encoder(tmp_path)


def test_a_member_that_the_disk_does_not_take_names_where(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("/dev/full")
    member = Member(tiny_cross_encoder(), EncoderInput(load_pair_encoder(TEACHER_TEMPLATE)))
    with pytest.raises(RunDirectoryError, match=rf"^{tmp_path}.* \(No space left .*\); free space there"):
        save_member(member, EncoderMember(), Stage(tmp_path), Calibration())
    assert not Stage(tmp_path).finished


def test_the_student_is_read_with_the_tokenizer_that_it_learnt_with(tmp_path: Path) -> None:
    backbone, student = encoder_backbone(tmp_path), tmp_path / "student"
    settings = StudentSettings(backbone=str(backbone), initialise_from="backbone", layers=(0, 1))
    save_student(tiny_cross_encoder(), student, settings.backbone)
    before = (backbone / "tokenizer.json").read_bytes()
    (backbone / "tokenizer.json").unlink()
    assert student_tokenizer(student, settings).read_bytes() == before
    assert student_rule(student, settings).encode_queries(["shoe"])
    (student / "tokenizer.json").write_bytes(before[: len(before) // 2])
    with pytest.raises(RunDirectoryError, match=rf"{student}/tokenizer\.json cannot be read .*; delete {student} to"):
        student_rule(student, settings)


def test_a_student_from_before_tokenizers_were_kept_is_read_with_its_backbone_s(tmp_path: Path) -> None:
    backbone = encoder_backbone(tmp_path)
    settings = StudentSettings(backbone=str(backbone), initialise_from="backbone", layers=(0, 1))
    assert student_tokenizer(tmp_path, settings).samefile(backbone / "tokenizer.json")
    assert student_rule(tmp_path, settings).encode_queries(["shoe"])


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
