from __future__ import annotations

from pathlib import Path

from service.gpu.options import GpuOptions, provider_chain, range_of
from service.gpu.shapes import Shape, Shapes

INPUTS = ("ids", "mask")


def test_a_cpu_is_told_nothing() -> None:
    assert provider_chain("cpu", GpuOptions(memory_mb=1, cuda_graphs=True), INPUTS) == [("CPUExecutionProvider", {})]


def test_cuda_is_told_of_memory_stream_and_graphs() -> None:
    (name, told), (last, _) = provider_chain("cuda", GpuOptions(memory_mb=2, stream=77, cuda_graphs=True), INPUTS)
    assert (name, last) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert told["gpu_mem_limit"] == str(2 * 1024 * 1024)
    assert (told["user_compute_stream"], told["enable_cuda_graph"]) == ("77", "1")
    assert not {"gpu_mem_limit", "user_compute_stream", "enable_cuda_graph"} & set(
        provider_chain("cuda", GpuOptions(), INPUTS)[0][1]
    )


def test_tensorrt_leaves_to_cuda_what_it_cannot_run_and_keeps_one_engine_for_all_shapes() -> None:
    shapes = range_of(Shapes([Shape(1, 16), Shape(64, 16), Shape(8, 96)]))
    chain = provider_chain("tensorrt", GpuOptions(engine_cache=Path("/engines"), shapes=shapes), INPUTS)
    assert [name.removesuffix("ExecutionProvider") for name, _ in chain] == ["Tensorrt", "CUDA", "CPU"]
    told = chain[0][1]
    assert (told["trt_engine_cache_enable"], told["trt_engine_cache_path"]) == ("1", "/engines")
    assert told["trt_profile_min_shapes"] == "ids:1x16,mask:1x16"
    assert told["trt_profile_opt_shapes"] == "ids:64x16,mask:64x16"
    assert told["trt_profile_max_shapes"] == "ids:64x96,mask:64x96"
