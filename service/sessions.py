"""ONNX Runtime sessions: how a graph is opened, and whether it runs where it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnxruntime as ort

from relevance.cross_encoder_graph import INPUTS
from relevance.integer_products import ask_for_exact_products
from relevance.runtime_errors import in_short
from service.errors import BackendError, GpuFailedError, ProviderError
from service.gpu.diagnosis import explain, read_facts
from service.gpu.faults import Fault, fault_of, told_by_device, without_device
from service.gpu.options import DEFAULT_OPTIONS, EXECUTION_PROVIDERS, GpuOptions, Provider, provider_chain


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph to run, and on what."""

    path: Path
    provider: Provider = "cpu"
    gpu: GpuOptions = DEFAULT_OPTIONS

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return self.provider != "cpu"

    def plain(self) -> Graph:
        """The same graph for shapes that change, so without captured CUDA graphs."""
        return replace(self, gpu=replace(self.gpu, cuda_graphs=False))


def open_session(
    graph: Graph, threads: int, spin_microseconds: int = 0, diagnose: Callable[[Provider], str] | None = None
) -> ort.InferenceSession:
    """A session of that many threads; BackendError if the graph does not load, ProviderError if its provider does not.

    What CUDA says while a graph is opened is the provider's: another one may load the same graph.
    Its threads look for work for `spin_microseconds` before they sleep. `diagnose` tells why a provider does not start.
    """
    told = diagnose or _diagnose
    wanted = EXECUTION_PROVIDERS[graph.provider]
    if graph.on_gpu:
        if wanted not in ort.get_available_providers():
            raise ProviderError(f"{wanted} does not start: {told(graph.provider)}")
        # The libraries of the wheels that the extra 'gpu' installs are on no search path.
        ort.preload_dlls()
    chain = provider_chain(graph.provider, graph.gpu, INPUTS)
    try:
        # Without its fallback ONNX Runtime raises what a provider says, and does not print it and go on with the CPU,
        # neither now nor in the middle of serving.
        session = ort.InferenceSession(
            graph.path, _session_options(threads, spin_microseconds), chain, enable_fallback=0
        )
    except Exception as error:
        if graph.on_gpu and (said := told_by_device(error)):
            raise _refusal(graph, said, told) from error
        raise BackendError(f"ONNX Runtime cannot load {graph.path} for {wanted}: {in_short(error)}") from error
    # A provider whose libraries do not load is left out with nothing but a line in ONNX Runtime's log.
    if wanted not in session.get_providers():
        raise ProviderError(f"{wanted} does not start: {told(graph.provider)}")
    return session


def _refusal(graph: Graph, said: str, told: Callable[[Provider], str]) -> ProviderError:
    """The error for what CUDA said when the graph was opened, with what to do."""
    remedy = told(graph.provider)
    if fault_of(RuntimeError(said)) is Fault.MEMORY:
        remedy = (
            f"there is no room for {graph.path}; end what takes it (nvidia-smi shows that), "
            "or raise AISLE_GPU_MEMORY_MB if it is set"
        )
    kind = ProviderError if without_device(said) else GpuFailedError
    return kind(f"{EXECUTION_PROVIDERS[graph.provider]} does not start: {said}; {remedy}")


def _diagnose(provider: Provider) -> str:
    return explain(provider, read_facts(provider))


def _session_options(threads: int, spin_microseconds: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    ask_for_exact_products(options)
    # Spinning threads take the cores that tokenising and the event loop need.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin_microseconds > 0)))
    if spin_microseconds:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(spin_microseconds))
    # Shapes change with every batch, so a plan made for the last one is worth nothing.
    options.enable_mem_pattern = False
    return options
