"""ONNX Runtime sessions: which precision suits the provider, and how a graph is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from relevance.bundle import Bundle, Precision
from relevance.integer_products import EXACT_PRODUCTS
from service.errors import BackendError

# int8 dynamic graphs fall back to the CPU under CUDA; fp16 is slower than fp32 on a CPU.
_PRECISIONS: dict[bool, tuple[Precision, ...]] = {False: ("int8", "fp32", "fp16"), True: ("fp16", "fp32")}


@dataclass(frozen=True, slots=True)
class Profile:
    """In which precision to run a bundle, and whether on CUDA or on the CPU."""

    precision: Precision
    cuda: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph to run, and whether on CUDA or on the CPU."""

    path: Path
    cuda: bool


def find_profile(bundle: Bundle, provider: str) -> Profile:
    """What suits the provider; BackendError if that provider or a graph for it is not there."""
    cuda = _use_cuda(provider, ort.get_available_providers(), bundle)
    for precision in _PRECISIONS[cuda]:
        if precision in bundle.manifest.precisions:
            return Profile(precision, cuda)
    raise BackendError(f"bundle {bundle.directory} has no {' or '.join(_PRECISIONS[cuda])} graph for this provider")


def find_graph(bundle: Bundle, provider: str) -> Graph:
    """A cross-encoder's graph that suits the provider; errors as of `find_profile`."""
    profile = find_profile(bundle, provider)
    return Graph(bundle.graph_path(profile.precision), profile.cuda)


def _use_cuda(provider: str, available: Sequence[str], bundle: Bundle) -> bool:
    there = "CUDAExecutionProvider" in available
    if provider == "cuda" and not there:
        raise BackendError(
            f"AISLE_PROVIDER is cuda, but this ONNX Runtime offers only {', '.join(available)}; install the extra 'gpu'"
        )
    if provider == "auto":
        return there and any(precision in bundle.manifest.precisions for precision in _PRECISIONS[True])
    return provider == "cuda"


def open_session(graph: Graph, threads: int) -> ort.InferenceSession:
    """A session of that many threads; BackendError if the graph does not load, or CUDA does not start."""
    providers = ["CUDAExecutionProvider"] if graph.cuda else []
    try:
        session = ort.InferenceSession(graph.path, _session_options(threads), [*providers, "CPUExecutionProvider"])
    except Exception as error:
        raise BackendError(f"ONNX Runtime cannot load {graph.path}: {error}") from error
    # ONNX Runtime goes on with the CPU when CUDA does not start; asked-for speed must not vanish silently.
    if graph.cuda and "CUDAExecutionProvider" not in session.get_providers():
        raise BackendError("CUDA does not start (see the log above); set AISLE_PROVIDER=cpu to do without")
    return session


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry(*EXACT_PRODUCTS)
    # Spinning threads take the cores that tokenising and the event loop need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Shapes change with every batch, so a plan made for the last one is worth nothing.
    options.enable_mem_pattern = False
    return options
