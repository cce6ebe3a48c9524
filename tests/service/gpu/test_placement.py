"""Which provider runs a bundle; the providers themselves are injected, as here is no GPU."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relevance.bundle import Bundle
from service.errors import BackendError, GpuFailedError, ProviderError
from service.gpu.options import Provider
from service.gpu.placement import Placement, open_placed
from service.gpu.settings import GpuSettings
from service.sessions import Graph
from tests.conftest import SplitBundles
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


def place(bundle: Bundle, given: GpuSettings, starts: Callable[[Graph], object]) -> Placement:
    """Where the bundle is opened, if opening it there succeeds."""
    return open_placed(bundle, given, lambda placement: placement, starts)


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
def test_an_allowed_fallback_is_told_loudly_with_its_causes(
    both: Bundle, caplog: pytest.LogCaptureFixture, working: list[Provider], provider: Provider
) -> None:
    placement = place(both, settings(provider="tensorrt", provider_fallback=True), Machine(*working))
    causes = {"cuda": "tensorrt does not start: no driver"}
    causes["cpu"] = f"{causes['cuda']}; cuda does not start: no driver"
    assert (placement.provider, placement.fallback) == (provider, causes[provider])
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


def test_auto_goes_on_without_a_gpu_that_fails_and_says_so_loudly(
    both: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    def full(graph: Graph) -> None:
        if graph.on_gpu:
            raise GpuFailedError("cuda does not start: CUDA failure 2: out of memory")

    placement = place(both, settings(), full)
    assert (placement.provider, placement.precision) == ("cpu", "int8")
    assert placement.fallback == "cuda does not start: CUDA failure 2: out of memory"
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    with pytest.raises(ProviderError, match=r"AISLE_PROVIDER is cuda, but .* out of memory"):
        place(both, settings(provider="cuda"), full)


def test_auto_on_a_machine_without_a_gpu_is_no_fallback(both: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert place(both, settings(), Machine("cpu")).fallback is None
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.INFO, "no GPU is used")]


def test_a_stream_that_cannot_be_opened_is_a_provider_that_does_not_start(both: Bundle) -> None:
    # This ONNX Runtime has no CUDA: no graph is even tried there.
    machine = Machine("cuda", "cpu")
    assert place(both, settings(gpu_stream=True), machine).provider == "cpu"
    assert [graph.provider for graph in machine.tried] == ["cpu"]
    with pytest.raises(ProviderError, match="AISLE_PROVIDER is cuda, but this ONNX Runtime was built without CUDA"):
        place(both, settings(provider="cuda", gpu_stream=True), machine)


def test_all_graphs_of_a_split_student_must_start_together(split_bundles: SplitBundles) -> None:
    """A GPU that has room for one of them may not have it for three."""
    bundle = split_bundles(precisions=("int8", "fp16"))
    tried: list[str] = []
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    class Session:
        """Takes memory for as long as it lives."""

    def full_with_two(graph: Graph) -> object:
        tried.append(f"{graph.provider} {graph.path.name}")
        if graph.on_gpu and len(alive) == 2:
            raise GpuFailedError("CUDA failure 2: out of memory")
        session = Session()
        alive.add(session)
        return session

    assert place(bundle, settings(), full_with_two).provider == "cpu"
    assert tried[:4] == ["cuda encoder.fp16.onnx", "cuda query.onnx", "cuda joint.onnx", "cpu encoder.int8.onnx"]


class Failing:
    """Opens on the CPU alone; notes where it tried, and what of earlier tries was still there then."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.tried: list[str] = []
        self.left: list[int] = []
        self._alive: weakref.WeakSet[Any] = weakref.WeakSet()

    def __call__(self, placement: Placement) -> Placement:
        class Session:
            """Takes memory for as long as it lives."""

        self.tried.append(placement.provider)
        self.left.append(len(self._alive))
        session = Session()
        self._alive.add(session)
        if placement.provider != "cpu":
            # A frame that refers to its own error, as one does that looks at it before it raises it again.
            error = BackendError(f"{self.message} of {placement.provider}\nand a stack trace")
            raise error
        return placement


FULL = "the model fails on 8 pairs of 96 tokens: CUDA failure 2: out of memory ; GPU=0"
ADVICE = "; nvidia-smi shows the GPU's state, and AISLE_PROVIDER=cpu does without it"


def test_a_gpu_that_fails_while_it_is_warmed_is_left_loudly_and_with_nothing_in_its_memory(
    both: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(FULL)
    starts = Machine("tensorrt", "cuda", "cpu")
    placement = open_placed(both, settings(provider="tensorrt", provider_fallback=True), failing, starts)
    assert (failing.tried, failing.left) == (["tensorrt", "cuda", "cpu"], [0, 0, 0])
    assert placement.provider == "cpu"
    assert placement.fallback == (
        f"TensorrtExecutionProvider starts, but {FULL} of tensorrt{ADVICE}; "
        f"CUDAExecutionProvider starts, but {FULL} of cuda{ADVICE}"
    )
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


@pytest.mark.parametrize(
    "message",
    [
        "the model fails on one pair alone: CUDA failure 700: an illegal memory access was encountered",
        "the model fails on one pair alone: GPU has fallen off the bus",
    ],
)
def test_a_gpu_that_was_asked_for_and_fails_while_it_is_warmed_stops_the_service(both: Bundle, message: str) -> None:
    with pytest.raises(ProviderError, match="AISLE_PROVIDER is cuda, but CUDAExecutionProvider starts, but the model"):
        open_placed(both, settings(provider="cuda"), Failing(message), Machine("cuda", "cpu"))


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        (
            "the model fails on 8 pairs of 96 tokens: cuDNN is unavailable or disabled for CUDA Execution Provider: "
            "dlopen failed for libcudnn.so",
            "install cuDNN 9 for the CUDA of this ONNX Runtime",
        ),
        (
            'the model fails on 8 pairs of 96 tokens: Failed to build cuDNN graph for Flash Attention:{"context":{}}',
            "ORT_ENABLE_CUDNN_FLASH_ATTENTION=0",
        ),
    ],
)
def test_a_cudnn_that_lacks_something_is_the_gpus_fault_and_has_a_remedy(
    both: Bundle, message: str, remedy: str
) -> None:
    fallback = open_placed(both, settings(), Failing(message), Machine("cuda", "cpu")).fallback
    assert fallback is not None
    assert remedy in fallback


def test_a_model_that_fails_by_itself_is_no_reason_to_take_another_provider(
    both: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    failing = Failing("the model gives no finite logit for each of 8 pairs of 96 tokens")
    with pytest.raises(BackendError, match="no finite logit"):
        open_placed(both, settings(), failing, Machine("cuda", "cpu"))
    assert failing.tried == ["cuda"]
    # Nothing was chosen that does not run.
    assert not caplog.records
