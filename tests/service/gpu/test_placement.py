"""Which provider runs a bundle; the providers themselves are injected, as here is no GPU."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from relevance.bundle import Bundle
from service.errors import BackendError
from service.gpu.options import Provider
from service.gpu.placement import place
from service.gpu.settings import GpuSettings
from service.sessions import Graph, ProviderError
from tests.service.tiny_bundle import write_bundle


class Machine:
    """Starts graphs on some providers and notes what was tried."""

    def __init__(self, *working: Provider) -> None:
        self.working = working
        self.tried: list[Graph] = []

    def __call__(self, graph: Graph) -> None:
        self.tried.append(graph)
        if graph.provider not in self.working:
            raise ProviderError(f"{graph.provider} does not start: no driver")


def settings(**given: Any) -> GpuSettings:
    return GpuSettings.model_validate(given)


@pytest.fixture
def both(tmp_path: Path) -> Bundle:
    """A bundle for the CPU and for GPUs."""
    (tmp_path / "model.fp16.onnx").write_bytes(b"fp16")
    return write_bundle(tmp_path, graphs={"int8": "model.int8.onnx", "fp16": "model.fp16.onnx"})


@pytest.mark.parametrize(
    ("asked", "working", "provider", "graph"),
    [
        ("auto", ["cuda", "cpu"], "cuda", "model.fp16.onnx"),
        ("auto", ["cpu"], "cpu", "model.int8.onnx"),
        ("cpu", ["cuda", "cpu"], "cpu", "model.int8.onnx"),
        ("cuda", ["cuda", "cpu"], "cuda", "model.fp16.onnx"),
        ("tensorrt", ["tensorrt", "cuda", "cpu"], "tensorrt", "model.fp16.onnx"),
    ],
)
def test_what_really_starts_runs_the_graph_that_suits_it(
    both: Bundle, asked: str, working: list[Provider], provider: Provider, graph: str
) -> None:
    machine = Machine(*working)
    placement = place(both, settings(provider=asked), machine)
    assert (placement.provider, machine.tried[-1].path.name) == (provider, graph)
    assert placement.fallback is None


def test_a_gpu_that_was_asked_for_and_does_not_start_stops_the_service(both: Bundle) -> None:
    with pytest.raises(ProviderError, match="AISLE_PROVIDER is cuda, but cuda does not start: no driver"):
        place(both, settings(provider="cuda"), Machine("cpu"))


@pytest.mark.parametrize(("working", "provider"), [(["cpu"], "cpu"), (["cuda", "cpu"], "cuda")])
def test_an_allowed_fallback_is_told_loudly_with_its_first_cause(
    both: Bundle, caplog: pytest.LogCaptureFixture, working: list[Provider], provider: Provider
) -> None:
    placement = place(both, settings(provider="tensorrt", provider_fallback=True), Machine(*working))
    assert (placement.provider, placement.fallback) == (provider, "tensorrt does not start: no driver")
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


def test_auto_does_not_try_a_gpu_for_a_bundle_that_has_no_graph_for_it(bundle: Bundle) -> None:
    machine = Machine("cuda", "cpu")
    assert place(bundle, settings(), machine).provider == "cpu"
    assert [graph.provider for graph in machine.tried] == ["cpu"]


def test_a_gpu_wants_another_graph_than_int8_whatever_is_allowed(bundle: Bundle) -> None:
    with pytest.raises(BackendError, match="no fp16 or fp32 graph"):
        place(bundle, settings(provider="cuda", provider_fallback=True), Machine("cuda", "cpu"))


def test_a_graph_that_is_broken_is_no_reason_to_take_another_provider(both: Bundle) -> None:
    def broken(graph: Graph) -> None:
        raise BackendError("cannot load")

    with pytest.raises(BackendError, match="cannot load"):
        place(both, settings(), broken)


def test_engines_are_kept_beside_the_bundle_or_where_settings_say(both: Bundle, tmp_path: Path) -> None:
    machine = Machine("tensorrt")
    place(both, settings(provider="tensorrt"), machine)
    place(both, settings(provider="tensorrt", tensorrt_cache=tmp_path / "engines"), machine)
    caches = [graph.gpu.engine_cache for graph in machine.tried]
    assert caches == [both.directory / "tensorrt", tmp_path / "engines"]
    assert all(cache and cache.is_dir() for cache in caches)


def test_engines_that_cannot_be_kept_stop_the_service(both: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match="AISLE_TENSORRT_CACHE"):
        place(both, settings(provider="tensorrt", tensorrt_cache=tmp_path / "file" / "engines"), Machine("tensorrt"))


def test_options_of_a_gpu_do_not_reach_the_cpu(both: Bundle) -> None:
    machine = Machine("cpu")
    place(both, settings(gpu_memory_mb=100, cuda_graphs=True), machine)
    gpu, cpu = machine.tried
    assert (gpu.gpu.memory_mb, gpu.gpu.cuda_graphs) == (100, True)
    assert (cpu.gpu.memory_mb, cpu.gpu.cuda_graphs) == (None, False)
