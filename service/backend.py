"""Running the model: the protocol that the batcher knows, and its one implementation, ONNX Runtime.

One session serves all threads: ONNX Runtime allows concurrent runs, the weights are in memory once,
and with one thread inside a run there is no pool to contend for.

A run that takes too long is told to stop; ONNX Runtime looks at that between two operators. A thread that
does not come back even so is left behind and replaced: it is `stuck`, and readiness is off until it returns.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from relevance.bundle import Bundle, Precision
from relevance.pair_encoding import EncodedPair, pad_pairs
from service.autotune.tuning import Layout
from service.errors import BackendError, BatchTimeoutError, WorkerDiedError

logger = logging.getLogger(__name__)

Logits = npt.NDArray[np.float32]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"

# int8 dynamic graphs fall back to the CPU under CUDA; fp16 is slower than fp32 on a CPU.
_PRECISIONS: dict[bool, tuple[Precision, ...]] = {False: ("int8", "fp32", "fp16"), True: ("fp16", "fp32")}


@dataclass(frozen=True, slots=True)
class BatchRun:
    """What one micro-batch gave: `logits` (n,), when it started and finished, and its size."""

    logits: Logits
    started: float
    finished: float
    tokens: int
    padded_tokens: int

    @property
    def seconds(self) -> float:
        """Time it took."""
        return self.finished - self.started


class Backend(Protocol):
    """Anything that gives a logit for each pair."""

    @property
    def concurrency(self) -> int:
        """Micro-batches that run at a time."""

    @property
    def stuck(self) -> int:
        """Runs that were given up and still hold a thread."""

    async def run(self, pairs: Sequence[EncodedPair]) -> BatchRun:
        """Score `n` pairs: `n` logits in order. May raise anything; the batcher deals with it."""

    def close(self) -> None:
        """Wait for running batches and free the threads."""


STOP_SECONDS = 1.0
"""How long a run that was told to stop may take to notice."""


class OnnxBackend:
    """Runs a graph with inputs (n, length) int64 `input_ids`, `attention_mask`, `token_type_ids`."""

    def __init__(
        self, session: ort.InferenceSession, pad_id: int, concurrency: int, batch_seconds: float = math.inf
    ) -> None:
        """A micro-batch that takes longer than `batch_seconds` is given up."""
        self.concurrency = concurrency
        self.stuck = 0
        self._session = session
        self._pad_id = pad_id
        self._batch_seconds = batch_seconds
        self._threads = self._new_threads()

    async def run(self, pairs: Sequence[EncodedPair]) -> BatchRun:
        """Score `n` pairs in one of the backend's threads; BatchTimeoutError if that takes too long."""
        options = ort.RunOptions()
        running = self._threads.submit(self._in_thread, pairs, options)
        future = asyncio.wrap_future(running)
        done, _ = await asyncio.wait((future,), timeout=self._timeout)
        if not done:
            options.terminate = True
            done, _ = await asyncio.wait((future,), timeout=STOP_SECONDS)
            if not done:
                self._leave_behind(running)
            raise BatchTimeoutError(f"{len(pairs)} pairs were not scored within {self._batch_seconds:g} s")
        return future.result()

    def run_here(self, pairs: Sequence[EncodedPair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs in the calling thread."""
        started = time.monotonic()
        batch = pad_pairs(pairs, self._pad_id)
        inputs = dict(zip(INPUTS, (batch.input_ids, batch.attention_mask, batch.token_type_ids), strict=True))
        (logits,) = self._session.run([OUTPUT], inputs, options)
        return BatchRun(
            logits=np.asarray(logits, dtype=np.float32).reshape(-1),
            started=started,
            finished=time.monotonic(),
            tokens=sum(map(len, pairs)),
            padded_tokens=batch.input_ids.size,
        )

    def run_together(self, pairs: Sequence[EncodedPair], times: int) -> list[BatchRun]:
        """Score the same `n` pairs `times` times, as many at once as there are sessions, and wait."""
        return list(self._threads.map(self.run_here, [pairs] * times))

    def close(self) -> None:
        """Wait for running batches, but for stuck ones, and free the threads."""
        self._threads.shutdown()

    @property
    def _timeout(self) -> float | None:
        return None if math.isinf(self._batch_seconds) else self._batch_seconds

    def _in_thread(self, pairs: Sequence[EncodedPair], options: ort.RunOptions) -> BatchRun:
        try:
            return self.run_here(pairs, options)
        except Exception:
            raise
        except BaseException as error:
            # What ends a thread must not travel on into the event loop and end the process.
            raise WorkerDiedError(f"an inference thread was ended by {error!r}") from error

    def _new_threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.concurrency, thread_name_prefix="inference")

    def _leave_behind(self, running: Future[BatchRun]) -> None:
        """Go on with new threads; the old ones end when they come back."""
        self._threads.shutdown(wait=False)
        self._threads = self._new_threads()
        # A run that never began was lost with its thread, and holds none.
        if not running.cancel():
            self.stuck += 1
            running.add_done_callback(self._came_back)
        logger.error("a micro-batch was given up", extra={"fields": {"stuck": self.stuck}})

    def _came_back(self, _: Future[BatchRun]) -> None:
        self.stuck -= 1


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph to run, and whether on CUDA or on the CPU."""

    path: Path
    cuda: bool


def find_graph(bundle: Bundle, provider: str) -> Graph:
    """The graph of `bundle` that suits the provider; BackendError if that provider is not there."""
    cuda = _use_cuda(provider, ort.get_available_providers(), bundle)
    for precision in _PRECISIONS[cuda]:
        if precision in bundle.manifest.graphs:
            return Graph(bundle.graph_path(precision), cuda)
    raise BackendError(f"bundle {bundle.directory} has no {' or '.join(_PRECISIONS[cuda])} graph for this provider")


def load_backend(graph: Graph, pad_id: int, layout: Layout, batch_seconds: float = math.inf) -> OnnxBackend:
    """Open a graph; BackendError if it does not work. Micro-batches longer than `batch_seconds` are given up."""
    session = _open(graph, layout.threads)
    names = {node.name for node in session.get_inputs()}
    if names != set(INPUTS) or OUTPUT not in {node.name for node in session.get_outputs()}:
        raise BackendError(
            f"{graph.path} has inputs {sorted(names)}; it must have {sorted(INPUTS)} and an output '{OUTPUT}'"
        )
    return OnnxBackend(session, pad_id, layout.sessions, batch_seconds)


def warm_up(backend: OnnxBackend, longest: int, batch_tokens: int) -> float:
    """Run the extreme shapes so that no request pays for them; returns tokens/s of one session while all run.

    Raises BackendError if a run fails or gives anything but one finite number for each pair.
    """
    sizes = [(length, max(1, batch_tokens // length)) for length in (longest, longest, 16, 16)]
    rounds = [probe(backend, length, count, backend.concurrency) for length, count in sizes]
    return max(min(run.tokens / run.seconds for run in runs) for runs in rounds)


def probe(backend: OnnxBackend, length: int, count: int, times: int) -> list[BatchRun]:
    """Run `count` pairs of `length` tokens in so many sessions at once; BackendError as of `warm_up`."""
    pair = EncodedPair((0,) * length, (0,) * length)
    try:
        runs = backend.run_together([pair] * count, times)
    except Exception as error:
        raise BackendError(f"the model fails on {count} pairs of {length} tokens: {error}") from error
    if any(run.logits.shape != (count,) or not np.isfinite(run.logits).all() for run in runs):
        raise BackendError(f"the model gives no finite logit for each of {count} pairs of {length} tokens")
    return runs


def _use_cuda(provider: str, available: Sequence[str], bundle: Bundle) -> bool:
    there = "CUDAExecutionProvider" in available
    if provider == "cuda" and not there:
        raise BackendError(
            f"AISLE_PROVIDER is cuda, but this ONNX Runtime offers only {', '.join(available)}; install the extra 'gpu'"
        )
    if provider == "auto":
        return there and any(precision in bundle.manifest.graphs for precision in _PRECISIONS[True])
    return provider == "cuda"


def _open(graph: Graph, threads: int) -> ort.InferenceSession:
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
    # Spinning threads take the cores that tokenising and the event loop need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Shapes change with every batch, so a plan made for the last one is worth nothing.
    options.enable_mem_pattern = False
    return options
