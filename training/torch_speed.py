"""`python -m training.torch_speed`: what torch itself reaches on this machine, as JSON.

The machine's matmul ceiling, and the random cross-encoders of `training.untrained` in torch: scaled-dot-product
attention, fp16 on CUDA (fp32 on a CPU), plain and compiled. `loadtest.gpu_bench` runs it as the baseline beside the
service, which never imports torch, and compares its logits with the graph's. After each part a line with everything so
far: compiling can take longer than one is willing to wait, and the last line holds what was measured before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from relevance.cross_encoder_graph import INPUTS
from relevance.pair_encoding import EncodedPair, PairEncoder, pad_pairs
from relevance.product import Product
from training.config import STUDENT_TEMPLATE
from training.models.backbone import load_pair_encoder
from training.models.cross_encoder import encode_pairs
from training.models.untrained_shapes import SHAPE_NAMES, ShapeName, untrained_cross_encoder

MATMUL_TYPES = {"cuda": (torch.float16, torch.bfloat16), "cpu": (torch.float32, torch.bfloat16)}
Bucket = tuple[int, int]
"""Pairs, and tokens of each."""
Forward = Callable[[dict[str, Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how long to measure: `seconds` a figure."""

    device: str
    seconds: float

    def runs_per_second(self, run: Callable[[], object]) -> float:
        """How often a second `run` is done, once warm."""
        for _ in range(3):
            run()
        self._wait()
        runs, started = 0, time.perf_counter()
        while time.perf_counter() - started < self.seconds:
            # In tens on CUDA: waiting for each would leave the GPU idle between them.
            for _ in range(10 if self.device == "cuda" else 1):
                run()
                runs += 1
            self._wait()
        return runs / (time.perf_counter() - started)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def matmul_tflops(bench: Bench, size: int) -> dict[str, float]:
    """10¹² operations a second of a square product, by type."""
    found = {}
    for kind in MATMUL_TYPES[bench.device]:
        left, right = (torch.randn(size, size, device=bench.device, dtype=kind) for _ in range(2))
        runs = bench.runs_per_second(lambda left=left, right=right: left @ right)  # type: ignore[misc]
        found[str(kind).removeprefix("torch.")] = float(f"{runs * 2 * size**3 / 1e12:.4g}")
    return found


class TorchModel:
    """One shape on the device; compiled, or as it is."""

    def __init__(self, name: ShapeName, bench: Bench, compiled: bool) -> None:
        model: nn.Module = untrained_cross_encoder(name)
        model.to(bench.device)
        half = model.half() if bench.device == "cuda" else model
        self._model: nn.Module = torch.compile(half, dynamic=False) if compiled else half  # type: ignore[assignment]
        self._bench = bench

    @torch.inference_mode()
    def pairs_per_second(self, bucket: Bucket) -> float:
        """Of full batches that lie on the device already."""
        feed = {name: torch.ones(bucket, dtype=torch.int64, device=self._bench.device) for name in INPUTS}
        feed["input_ids"].random_(1000, 30000)
        return bucket[0] * self._bench.runs_per_second(lambda: self._model(**feed))

    @torch.inference_mode()
    def logits(self, pairs: Sequence[EncodedPair], pad_id: int) -> list[float]:
        """Logits of pairs, padded to a multiple of 32 tokens so that few shapes are compiled."""
        longest = max(map(len, pairs))
        filler = EncodedPair((pad_id,) * (-(-longest // 32) * 32), (0,) * (-(-longest // 32) * 32))
        batch = pad_pairs([*pairs, filler], pad_id)
        feed = {name: torch.from_numpy(getattr(batch, name)[:-1]).to(self._bench.device) for name in INPUTS}
        found: list[float] = self._model(**feed).logits[:, 0].float().tolist()
        return found

    def lists_per_second(self, bodies: Sequence[dict[str, Any]], rule: PairEncoder) -> float:
        """From texts to scores in this process, one request after another: a server of torch but for HTTP."""
        turn = iter(range(sys.maxsize))
        return self._bench.runs_per_second(
            lambda: self.logits(pairs_of(rule, bodies[next(turn) % len(bodies)]), rule.pad_id)
        )


def pairs_of(rule: PairEncoder, body: dict[str, Any]) -> list[EncodedPair]:
    """A body of `POST /score`, encoded."""
    return encode_pairs(rule, body["query"], [Product.model_validate(candidate) for candidate in body["candidates"]])


@dataclass(frozen=True, slots=True)
class Work:
    """What every shape is measured on."""

    buckets: Sequence[Bucket]
    bodies: Sequence[dict[str, Any]]


def measure_shape(bench: Bench, name: ShapeName, work: Work) -> Iterator[dict[str, Any]]:
    """Pairs per second by bucket and from texts, and the first body's logits: of the plain model, then both."""
    rule = load_pair_encoder(STUDENT_TEMPLATE)
    report: dict[str, Any] = {"left_out": {}}
    for way, compiled in (("eager", False), ("compiled", True)):
        try:
            model = TorchModel(name, bench, compiled)
            report["logits"] = model.logits(pairs_of(rule, work.bodies[0]), rule.pad_id)
            speeds = {f"{n}x{length}": round(model.pairs_per_second((n, length)), 1) for n, length in work.buckets}
            per_list = len(work.bodies[0]["candidates"])
            report[way] = {**speeds, "texts": round(per_list * model.lists_per_second(work.bodies, rule), 1)}
        except Exception as error:
            # A compiler that is not there, or too little memory, costs this row and not the others.
            report["left_out"][way] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
        yield report


def bucket_of(text: str) -> Bucket:
    """`128x32` as (128, 32)."""
    pairs, _, length = text.partition("x")
    return int(pairs), int(length)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if the device is not there."""
    parser = argparse.ArgumentParser(prog="python -m training.torch_speed", description=__doc__)
    parser.add_argument("--device", choices=tuple(MATMUL_TYPES), required=True)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each figure")
    parser.add_argument("--matmul", type=int, default=8192, metavar="SIZE")
    parser.add_argument("--shapes", nargs="*", choices=SHAPE_NAMES, default=[])
    parser.add_argument("--buckets", nargs="*", type=bucket_of, default=[], metavar="PAIRSxTOKENS")
    parser.add_argument("--bodies", type=Path, help="JSON list of bodies of POST /score; needed with --shapes")
    given = parser.parse_args(arguments)
    if given.shapes and given.bodies is None:
        parser.error("--shapes needs --bodies")
    if given.device == "cuda" and not torch.cuda.is_available():
        print(f"error: this torch ({torch.__version__}) finds no CUDA device", file=sys.stderr)
        return 1
    bench = Bench(given.device, given.seconds)
    work = Work(given.buckets, json.loads(given.bodies.read_text()) if given.bodies else [])
    report: dict[str, Any] = {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "matmul_tflops": matmul_tflops(bench, given.matmul),
        "shapes": {},
    }
    print(json.dumps(report), flush=True)
    for name in given.shapes:
        for found in measure_shape(bench, name, work):
            report["shapes"][name] = found
            print(json.dumps(report), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
