"""On what a bundle runs: the provider that was asked for, if it really starts, and the graph that suits it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from relevance.bundle import SPLIT_PARTS, Bundle, Precision
from relevance.runtime_errors import in_short
from service.errors import BackendError, GpuFailedError, ProviderError
from service.gpu.cuda_runtime import open_runtime
from service.gpu.faults import CUDNN_ATTENTION, NO_CUDNN, Fault, fault_of, told_by_device
from service.gpu.options import DEFAULT_OPTIONS, EXECUTION_PROVIDERS, GpuOptions, Provider
from service.gpu.settings import AskedProvider, GpuSettings
from service.sessions import Graph, open_session

logger = logging.getLogger(__name__)

OpenedT = TypeVar("OpenedT")

# int8 dynamic graphs fall back to the CPU on a GPU; fp16 is slower than fp32 on a CPU.
_CPU_PRECISIONS: tuple[Precision, ...] = ("int8", "fp32", "fp16")
_GPU_PRECISIONS: tuple[Precision, ...] = ("fp16", "fp32")

_ORDER: dict[AskedProvider, tuple[Provider, ...]] = {
    "auto": ("cuda", "cpu"),
    "cpu": ("cpu",),
    "cuda": ("cuda", "cpu"),
    "tensorrt": ("tensorrt", "cuda", "cpu"),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """What runs a bundle, and in which precision. `fallback` says why it is not what was asked for, None if it is."""

    asked: AskedProvider
    provider: Provider
    precision: Precision
    gpu: GpuOptions = DEFAULT_OPTIONS
    fallback: str | None = None

    def graph(self, path: Path) -> Graph:
        """A graph of the bundle, to be opened there."""
        return Graph(path, self.provider, self.gpu)


def open_placed(
    bundle: Bundle,
    settings: GpuSettings,
    open_on: Callable[[Placement], OpenedT],
    starts: Callable[[Graph], object] | None = None,
) -> OpenedT:
    """What `open_on` gives for the first of the providers that may be, in their order, which starts and holds.

    `starts(graph)` opens a graph of the bundle. A GPU that fails while `open_on` measures and warms is as one that does
    not start. BackendError if the bundle has no graph that suits, or as of `open_on`; ProviderError if what was asked
    for fails and nothing else is allowed.
    """
    refusals: list[ProviderError] = []
    for provider in _wanted(bundle, settings.provider):
        try:
            placement = _started(bundle, settings, provider, starts or _open)
            placement = replace(placement, fallback=_fallback(settings, refusals))
            opened = open_on(placement)
        except BackendError as error:
            refusals.append(_refused(provider, error))
            _check_allowed(settings, refusals[-1])
        else:
            _tell(placement, refusals)
            return opened
        # Frames that refer to their own error hold what was opened, and the next provider may need that memory.
        gc.collect()
    raise BackendError(f"no execution provider starts for bundle {bundle.directory}. This is a bug.")


def _started(bundle: Bundle, settings: GpuSettings, provider: Provider, opens: Callable[[Graph], object]) -> Placement:
    precision = precision_for(bundle, provider)
    placement = Placement(settings.provider, provider, precision, _options(bundle, settings, provider))
    # All are open at once, as they will be: each by itself may fit a GPU's memory.
    _ = [opens(placement.graph(path)) for path in _graph_paths(bundle, precision)]
    return placement


def _refused(provider: Provider, error: BackendError) -> ProviderError:
    """The error as the provider's, without the traceback that holds what was opened; raises `error` where it is not."""
    if isinstance(error, ProviderError):
        return type(error)(str(error))
    told = told_by_device(error)
    if provider == "cpu" or (told is None and fault_of(error) is not Fault.LOST):
        raise error
    return GpuFailedError(
        f"{EXECUTION_PROVIDERS[provider]} starts, but {in_short(error)}; {_remedy(told or '')}, and "
        "AISLE_PROVIDER=cpu does without it"
    )


def _remedy(told: str) -> str:
    """What helps a GPU that failed once it had started."""
    if told.startswith(NO_CUDNN):
        return "install cuDNN 9 for the CUDA of this ONNX Runtime (the extra 'gpu' brings it)"
    if told.startswith(CUDNN_ATTENTION):
        return "install another cuDNN 9, or set ORT_ENABLE_CUDNN_FLASH_ATTENTION=0 to take ONNX Runtime's own kernels"
    return "nvidia-smi shows the GPU's state"


def precision_for(bundle: Bundle, provider: Provider) -> Precision:
    """The best precision of the bundle for a provider; BackendError if none suits."""
    suitable = _CPU_PRECISIONS if provider == "cpu" else _GPU_PRECISIONS
    for precision in suitable:
        if precision in bundle.manifest.precisions:
            return precision
    raise BackendError(
        f"bundle {bundle.directory} has no {' or '.join(suitable)} graph, which {provider} needs; export it with one"
    )


def _wanted(bundle: Bundle, asked: AskedProvider) -> tuple[Provider, ...]:
    if asked == "auto" and not set(_GPU_PRECISIONS) & set(bundle.manifest.precisions):
        return ("cpu",)
    return _ORDER[asked]


def _graph_paths(bundle: Bundle, precision: Precision) -> list[Path]:
    if bundle.manifest.split is None:
        return [bundle.graph_path(precision)]
    return [bundle.split_path(precision, part) for part in SPLIT_PARTS]


def _options(bundle: Bundle, settings: GpuSettings, provider: Provider) -> GpuOptions:
    if provider == "cpu":
        return DEFAULT_OPTIONS
    return GpuOptions(
        memory_mb=settings.gpu_memory_mb,
        stream=open_runtime().open_stream() if settings.gpu_stream else None,
        cuda_graphs=settings.cuda_graphs and provider == "cuda",
        engine_cache=_engine_cache(bundle, settings) if provider == "tensorrt" else None,
    )


def _engine_cache(bundle: Bundle, settings: GpuSettings) -> Path:
    directory = settings.tensorrt_cache or bundle.directory / "tensorrt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"{directory} cannot be made for TensorRT's engines ({error.strerror}), and to build them at every start "
            "takes minutes; set AISLE_TENSORRT_CACHE to a directory that can be written"
        ) from error
    return directory


def _open(graph: Graph) -> object:
    return open_session(graph, threads=1)


def _check_allowed(settings: GpuSettings, error: ProviderError) -> None:
    if settings.provider != "auto" and not settings.provider_fallback:
        raise ProviderError(
            f"AISLE_PROVIDER is {settings.provider}, but {error}. "
            "(AISLE_PROVIDER_FALLBACK=true would start without it.)"
        ) from error


def _fallback(settings: GpuSettings, refusals: Sequence[ProviderError]) -> str | None:
    """Why the next provider is not what was asked for; None if it is, or if `auto` met a machine without a GPU."""
    if settings.provider == "auto" and not any(isinstance(refusal, GpuFailedError) for refusal in refusals):
        return None
    return "; ".join(map(str, refusals)) or None


def _tell(placement: Placement, refusals: Sequence[ProviderError]) -> None:
    fields: dict[str, str] = {
        "asked": placement.asked,
        "runs_on": placement.provider,
        "precision": placement.precision,
    }
    if not refusals:
        logger.info("provider chosen", extra={"fields": fields})
        return
    fields["reason"] = "; ".join(map(str, refusals))
    if placement.fallback is None:
        # `auto` asked for nothing in particular: without a GPU nothing was lost, but the log says what was tried.
        logger.info("no GPU is used", extra={"fields": fields})
        return
    lost = "GPU OF THIS MACHINE" if placement.asked == "auto" else "PROVIDER THAT WAS ASKED FOR"
    logger.critical(f"THE {lost} IS NOT USED", extra={"fields": fields})
