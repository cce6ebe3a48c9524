"""What is measured, and for how long, on a GPU or (to try the script out) on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadtest.gpu_bench.arithmetic import Bucket
from relevance.bundle import Precision

Device = Literal["cuda", "cpu"]
CANDIDATES, LENGTH = 100, 32
"""Of a request, and tokens of each of its pairs, in the targets."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` a figure. Graphs run in all of `buckets`, torch and CUDA graphs in `few_buckets`."""

    device: Device
    shapes: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    few_buckets: tuple[Bucket, ...]
    matmul: int
    seconds: float
    http_seconds: float
    clients: int
    torch_timeout: float = 180.0
    candidates: int = CANDIDATES

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """In the order in which the service prefers them on the device."""
        return ("fp16", "fp32") if self.device == "cuda" else ("int8", "fp32", "fp16")


def plan_for(device: Device, quick: bool) -> Plan:
    """The whole is meant to take under ten minutes; a quick one tries every part out, and its figures are rough."""
    if device == "cuda":
        return _gpu_quick() if quick else _gpu()
    seconds = 0.2 if quick else 1.0
    return Plan(
        device=device,
        shapes=("minilm-l6",) if quick else ("minilm-l6", "bert-base"),
        buckets=((2, 16), (8, 32)) if quick else ((8, 32), (32, 32), (8, 64)),
        few_buckets=((2, 16),) if quick else ((8, 32),),
        matmul=256 if quick else 1024,
        seconds=seconds,
        http_seconds=5 * seconds,
        clients=2 if quick else 8,
        candidates=10 if quick else CANDIDATES,
    )


def _gpu() -> Plan:
    return Plan(
        device="cuda",
        shapes=("minilm-l6", "bert-base"),
        buckets=tuple((pairs, length) for length in (32, 64, 128) for pairs in (8, 32, 128, 512)),
        few_buckets=((128, 32), (512, 64)),
        matmul=8192,
        seconds=1.0,
        http_seconds=6.0,
        clients=32,
    )


def _gpu_quick() -> Plan:
    return Plan(
        device="cuda",
        shapes=("minilm-l6",),
        buckets=((32, 32), (128, 32)),
        few_buckets=((128, 32),),
        matmul=4096,
        seconds=0.3,
        http_seconds=2.0,
        clients=8,
    )
