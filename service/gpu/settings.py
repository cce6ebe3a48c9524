"""The settings of running on a GPU; `service/settings.py` reads them with all others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_settings import NoDecode

Count = Annotated[int, Field(ge=1)]
Counts = Annotated[tuple[Count, ...], NoDecode]
"""Comma-separated."""

AskedProvider = Literal["auto", "cpu", "cuda", "tensorrt"]


class GpuSettings(BaseModel):
    """What differs where the graphs run on a GPU."""

    provider: AskedProvider = "auto"
    """What runs the graphs; `auto`: CUDA where it starts and the bundle has an fp16 or fp32 graph, else the CPU."""
    provider_fallback: bool = False
    """Go on with CUDA, or the CPU, where the asked-for provider does not start. False: the service does not start."""
    gpu_memory_mb: Count | None = None
    """Most mebibytes that ONNX Runtime's arena takes on the GPU; None: as many as there are."""
    gpu_in_flight: Count = 2
    """Micro-batches on their way with buckets: one is on the device while the next is written to host memory."""
    gpu_stream: bool = False
    """Run on a CUDA stream of the service's own, which waits for no other, and not on ONNX Runtime's."""
    buckets: Literal["auto", "on", "off"] = "auto"
    """Run in few, warmed shapes, a cross-encoder's with buffers that are bound once; `auto`: on a GPU."""
    bucket_lengths: Counts = ()
    """Tokens of a row that micro-batches are padded to; empty: steps of a third or half up to the longest pair."""
    bucket_pairs: Counts = ()
    """Pairs that micro-batches are padded to; empty: steps of a third or half up to a full micro-batch."""
    cuda_graphs: bool = False
    """Capture a cross-encoder's buckets as CUDA graphs; a graph of which a part must run on the CPU stops the start."""
    tensorrt_cache: Path | None = None
    """Directory of TensorRT's engines, which take minutes to build; None: `tensorrt` in the bundle's directory."""

    def use_buckets(self, on_gpu: bool) -> bool:
        """Whether graphs run in buckets there."""
        return self.buckets == "on" or (self.buckets == "auto" and on_gpu)

    @model_validator(mode="after")
    def _gpu_settings_agree(self) -> Self:
        if self.cuda_graphs and self.buckets == "off":
            raise ValueError("AISLE_CUDA_GRAPHS captures buckets, but AISLE_BUCKETS is off")
        if self.cuda_graphs and self.provider in ("cpu", "tensorrt"):
            raise ValueError(f"AISLE_CUDA_GRAPHS is for CUDA, but AISLE_PROVIDER is {self.provider}")
        return self

    @field_validator("bucket_lengths", "bucket_pairs", mode="before")
    @classmethod
    def _split_counts(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
