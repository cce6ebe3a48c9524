"""A cross-encoder's graph on the device, driven directly. Inputs and outputs are bound: they stay in its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from loadtest.gpu_bench.arithmetic import Bucket
from loadtest.gpu_bench.plan import Device
from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.integer_products import ask_for_exact_products
from relevance.pair_encoding import EncodedPair, pad_pairs
from relevance.runtime_errors import in_short

FIRST_WORD, WORDS = 1000, 28_000
"""Ids of real words in BERT's vocabulary."""

MIXED = 0.4
"""Rows of a mixed batch are between this share of its length and all of it."""

Run = Callable[[], None]
Feed = dict[str, npt.NDArray[np.int64]]
Logits = npt.NDArray[np.float32]


class DeviceGraph:
    """A graph in a session of its own; RuntimeError if the device does not take it."""

    def __init__(self, path: Path, device: Device, captured: bool = False) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        ask_for_exact_products(options)
        if device == "cuda":
            # The libraries of the wheels that the extra 'gpu' brings are on no search path.
            ort.preload_dlls()
        try:
            self._session = ort.InferenceSession(str(path), options, providers=_providers(device, captured))
        except Exception as error:
            raise RuntimeError(f"ONNX Runtime cannot load {path.name} on {device}: {in_short(error)}") from error
        # ONNX Runtime goes on with the CPU when CUDA does not start, and the figures would be the CPU's.
        if device == "cuda" and "CUDAExecutionProvider" not in self._session.get_providers():
            raise RuntimeError("CUDA does not start: see ONNX Runtime's message above")
        self._device, self._name = device, path.name

    def logits(self, pairs: Sequence[EncodedPair], pad_id: int) -> Logits:
        """Logits (n,) of real pairs in one batch; RuntimeError if they cannot be computed."""
        batch = pad_pairs(pairs, pad_id)
        return self.logits_of({name: getattr(batch, name) for name in INPUTS})

    def logits_of(self, feed: Feed) -> Logits:
        """Logits (n,) of a batch; RuntimeError if they cannot be computed."""
        try:
            values = self._session.run([OUTPUT], feed)
        except Exception as error:
            raise RuntimeError(f"{self._name} does not run on {self._device}: {in_short(error)}") from error
        return np.asarray(values[0], dtype=np.float32).reshape(-1)

    def bound(self, bucket: Bucket, fill: float = 1.0) -> Run:
        """A batch as of `feed_of`, as a call."""
        binding = self._session.io_binding()
        for name, values in feed_of(bucket, fill).items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(values, self._device, 0))
        if self._device == "cuda":
            # A captured graph writes where it wrote before: the output's place has to be fixed.
            space = np.zeros((bucket[0], 1), dtype=np.float32)
            binding.bind_ortvalue_output(OUTPUT, ort.OrtValue.ortvalue_from_numpy(space, self._device, 0))
        else:
            binding.bind_output(OUTPUT, self._device)
        return lambda: self._session.run_with_iobinding(binding)


def _providers(device: Device, captured: bool) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"enable_cuda_graph": "1"} if captured else {}), "CPUExecutionProvider"]


def feed_of(bucket: Bucket, fill: float) -> Feed:
    """Random words. `fill`: the share of each row's tokens that is no padding, at least.

    Shares are spread evenly between `fill` and 1, as lengths are in a bucket.
    """
    rng = np.random.default_rng(0)
    lengths = np.linspace(fill, 1.0, bucket[0]) * bucket[1]
    mask = (np.arange(bucket[1]) < np.round(lengths)[:, None]).astype(np.int64)
    ids = rng.integers(FIRST_WORD, FIRST_WORD + WORDS, size=bucket) * mask
    return dict(zip(INPUTS, (ids, mask, np.zeros(bucket, dtype=np.int64)), strict=True))
