"""What ONNX Runtime is told about each execution provider. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from relevance.units import MEBIBYTE
from service.gpu.shapes import Shape, Shapes

Provider = Literal["cpu", "cuda", "tensorrt"]
"""What a graph runs on."""

EXECUTION_PROVIDERS: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
GRAPH_ID = "gpu_graph_id"
"""Run option that says which captured CUDA graph a run replays."""

Chain = list[tuple[str, dict[str, str]]]
"""Execution providers with their options; a graph's parts go to the first that can run them."""


class ShapeRange(NamedTuple):
    """The shapes that one TensorRT engine is built for: from, mostly, and up to."""

    smallest: Shape
    usual: Shape
    largest: Shape


@dataclass(frozen=True, slots=True)
class GpuOptions:
    """How a GPU is used. `stream` is the address of a CUDA stream, None for ONNX Runtime's own."""

    memory_mb: int | None = None
    stream: int | None = None
    cuda_graphs: bool = False
    engine_cache: Path | None = None
    shapes: ShapeRange | None = None
    """What TensorRT builds an engine for when the graph is opened; None: for the first shapes that it is given."""


DEFAULT_OPTIONS = GpuOptions()


def range_of(shapes: Shapes) -> ShapeRange:
    """What holds all of `shapes`: its corners need be none of them."""
    every = list(shapes)
    rows, lengths = [shape.pairs for shape in every], [shape.length for shape in every]
    return ShapeRange(Shape(min(rows), min(lengths)), every[0], Shape(max(rows), max(lengths)))


def provider_chain(provider: Provider, options: GpuOptions, inputs: tuple[str, ...]) -> Chain:
    """The providers to open a graph of these `inputs` with."""
    chain: Chain = [(EXECUTION_PROVIDERS["cpu"], {})]
    if provider != "cpu":
        chain.insert(0, (EXECUTION_PROVIDERS["cuda"], _cuda(options)))
    if provider == "tensorrt":
        chain.insert(0, (EXECUTION_PROVIDERS["tensorrt"], _tensorrt(options, inputs)))
    return chain


def _cuda(options: GpuOptions) -> dict[str, str]:
    told = {
        # Shapes come again, so what was once allocated suffices; doubling would take memory that nobody uses.
        "arena_extend_strategy": "kSameAsRequested",
        # No graph here has a convolution, so that trying all of cuDNN's kernels would only take time.
        "cudnn_conv_algo_search": "HEURISTIC",
        # TF32 keeps ten bits of an fp32 factor: a pair's score would depend on the batch that it runs in.
        "use_tf32": "0",
    }
    if options.memory_mb is not None:
        told["gpu_mem_limit"] = str(options.memory_mb * MEBIBYTE)
    if options.stream is not None:
        told["user_compute_stream"] = str(options.stream)
    if options.cuda_graphs:
        told["enable_cuda_graph"] = "1"
    return told


def _tensorrt(options: GpuOptions, inputs: tuple[str, ...]) -> dict[str, str]:
    told = {"trt_fp16_enable": "1"}
    if options.engine_cache is not None:
        told |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(options.engine_cache),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(options.engine_cache),
        }
    if options.memory_mb is not None:
        told["trt_max_workspace_size"] = str(options.memory_mb * MEBIBYTE)
    if options.stream is not None:
        told["user_compute_stream"] = str(options.stream)
    if options.shapes is not None:
        for name, shape in zip(("min", "opt", "max"), options.shapes, strict=True):
            told[f"trt_profile_{name}_shapes"] = ",".join(f"{key}:{shape.pairs}x{shape.length}" for key in inputs)
    return told
