"""What an image holds is read off the Dockerfile: the service, its options, one ONNX Runtime, and no torch."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINING = ("torch", "transformers", "train", "distributed", "loadtest", "dev")


def stages() -> dict[str, tuple[str, str]]:
    """Each stage's base image and its lines, with continued ones joined and comments left out."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]
    return {name: (base, body) for base, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def installed(stage: str) -> list[str]:
    """The arguments of its one `pip install`."""
    (line,) = re.findall(r"pip install (.*)$", stages()[stage][1], flags=re.MULTILINE)
    return [word.strip("'") for word in line.split()]


@pytest.mark.parametrize(("stage", "project"), [("cpu-environment", ".[cpu,redis,otel]"), ("gpu", ".[redis,otel]")])
def test_an_image_holds_the_tested_versions_and_what_settings_may_ask_for(stage: str, project: str) -> None:
    assert {project, "--constraint", "constraints.txt"} <= set(installed(stage))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"[a-z]+", project)) <= set(extras)


@pytest.mark.parametrize("stage", ["cpu-environment", "gpu"])
def test_no_image_holds_what_only_training_needs(stage: str) -> None:
    words = set(re.findall(r"[a-z-]+", " ".join(installed(stage))))
    assert not words & set(TRAINING)
    copied = re.findall(r"^COPY (.*) \S+$", stages()[stage][1], flags=re.MULTILINE)
    assert {"relevance", "service"} <= set(copied)
    assert not {"training", "export", "loadtest", "."} & set(copied)


def test_the_gpu_image_has_one_onnx_runtime_and_the_cuda_that_it_is_built_for() -> None:
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    )
    # PyPI's build of 1.31 needs nvidia-cuda-runtime~=13.0 and nvidia-cudnn-cu13~=9.0; another line needs a look.
    assert pins["onnxruntime-gpu"].startswith("1.31.")
    base, _ = stages()["gpu"]
    assert re.fullmatch(r"nvidia/cuda:13\.\d+\.\d+-cudnn-runtime-ubuntu\d\d\.04", base)
    runtimes = [word for word in installed("gpu") if word.startswith("onnxruntime")]
    assert runtimes == ["onnxruntime-gpu"]


@pytest.mark.parametrize("stage", ["cpu", "gpu"])
def test_a_container_is_watched_stops_as_pid_1_and_is_nobody(stage: str) -> None:
    _, body = stages()[stage]
    assert "HEALTHCHECK" in body and "os.environ['AISLE_PORT'] + '/livez'" in body
    assert 'CMD ["python", "-m", "service"]' in body
    assert re.search(r"^USER 10001$", body, flags=re.MULTILINE)
