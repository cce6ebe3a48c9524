from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from training.errors import RunDirectoryError
from training.optimise.checkpoint import CheckpointStore, TrainerState


def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(
        RunDirectoryError, match=r"checkpoint\.pt is damaged \(.*\); delete it, and its stage begins anew"
    ):
        CheckpointStore(path).restore(cast(TrainerState, None))


def test_half_a_checkpoint_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    with pytest.raises(RunDirectoryError, match=r"cannot be written .* free space"):
        CheckpointStore(tmp_path / "checkpoint.pt").save(TrainerState(cast(Any, model), optimizer, schedule), 1)
    assert not list(tmp_path.iterdir())


def state_of(width: int) -> TrainerState:
    model = torch.nn.Linear(width, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    return TrainerState(cast(Any, model), optimizer, schedule)


@pytest.mark.parametrize(
    ("content", "reason"), [({}, "KeyError: 'model'"), ([], "TypeError: "), (None, r"RuntimeError: .*size mismatch")]
)
def test_a_checkpoint_of_another_shape_is_named_with_what_to_do(tmp_path: Path, content: Any, reason: str) -> None:
    path = tmp_path / "checkpoint.pt"
    if content is None:
        CheckpointStore(path).save(state_of(2), 1)
    else:
        torch.save(content, path)
    told = rf"checkpoint\.pt is damaged \({reason}.*\); delete it, and its stage begins anew$"
    with pytest.raises(RunDirectoryError, match=told) as error:
        CheckpointStore(path).restore(state_of(3))
    assert "\n" not in str(error.value)


def test_memory_that_does_not_suffice_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("no memory")

    CheckpointStore(tmp_path / "checkpoint.pt").save(state_of(2), 1)
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(torch.OutOfMemoryError):
        CheckpointStore(tmp_path / "checkpoint.pt").restore(state_of(2))
