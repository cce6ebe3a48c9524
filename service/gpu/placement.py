"""On what a bundle runs: the provider that was asked for, if it really starts, and the graph that suits it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from relevance.bundle import Bundle, Precision
from service.errors import BackendError
from service.gpu.cuda_runtime import open_runtime
from service.gpu.options import DEFAULT_OPTIONS, GpuOptions, Provider
from service.gpu.settings import AskedProvider, GpuSettings
from service.sessions import Graph, ProviderError, open_session

logger = logging.getLogger(__name__)

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


def place(bundle: Bundle, settings: GpuSettings, starts: Callable[[Graph], object] | None = None) -> Placement:
    """Open the bundle's graph on the providers that may be, in their order, and take the first that really starts.

    `starts(graph)` opens it. BackendError if the bundle has no graph that suits, ProviderError if what was asked
    for does not start and nothing else is allowed.
    """
    opens = starts or _open
    asked, fallback = settings.provider, None
    for provider in _wanted(bundle, asked):
        placement = Placement(asked, provider, precision_for(bundle, provider), _options(bundle, settings, provider))
        try:
            opens(placement.graph(_graph_path(bundle, placement.precision)))
        except ProviderError as error:
            _check_allowed(settings, error)
            fallback = fallback or str(error)
            continue
        return _told(placement, fallback)
    raise BackendError(f"no execution provider starts for bundle {bundle.directory}. This is a bug.")


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


def _graph_path(bundle: Bundle, precision: Precision) -> Path:
    """The graph to try; a split student's joint one stands for all three."""
    return bundle.split_path(precision, "joint") if bundle.manifest.split else bundle.graph_path(precision)


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


def _told(placement: Placement, fallback: str | None) -> Placement:
    fields = {"asked": placement.asked, "runs_on": placement.provider, "precision": placement.precision}
    if fallback is None:
        logger.info("provider chosen", extra={"fields": fields})
        return placement
    # `auto` asked for nothing in particular, so nothing was lost; but the log says what was tried.
    if placement.asked == "auto":
        logger.info("no GPU is used", extra={"fields": {**fields, "reason": fallback}})
        return placement
    logger.critical("THE PROVIDER THAT WAS ASKED FOR IS NOT USED", extra={"fields": {**fields, "reason": fallback}})
    return replace(placement, fallback=fallback)
