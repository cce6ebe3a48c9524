"""Running the model: the protocol that the batcher knows, and its one implementation, ONNX Runtime in threads.

One runner serves all threads: ONNX Runtime allows concurrent runs of a session, the weights are in memory once,
and with one thread inside a run there is no pool to contend for. A second, wider one (lone.py) may run what is alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from relevance.runtime_errors import in_short
from service.errors import BackendError, DeviceLostError, WorkerDiedError
from service.gpu.faults import Fault, fault_of
from service.inference_threads import InferenceThreads
from service.pair import Pair

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BatchRun:
    """What one micro-batch gave: `logits` (n,), when it started and finished, and its size in tokens computed.

    `padded_tokens`: with the padding; None of a split student, whose tokens are costs: a known product is almost free.
    `lone`: it ran in the wider session, on cores of others, so that its time says nothing of the speed of one.
    """

    logits: Logits
    started: float
    finished: float
    tokens: int
    padded_tokens: int | None
    lone: bool = False

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

    async def run(self, pairs: Sequence[Pair], alone: bool = False) -> BatchRun:
        """Score `n` pairs: `n` logits in order. `alone`: nothing else waits.

        May raise anything; the batcher deals with it.
        """

    def close(self) -> None:
        """Free the threads, once running batches have ended."""


class Runner(Protocol):
    """One way to run a model, in the calling thread; several threads may run at once."""

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs: `n` logits in order."""

    def samples(self, length: int, count: int, token_id: int = 0) -> Sequence[Pair]:
        """`count` pairs of `length` tokens that nothing is known of, to measure with; all tokens are `token_id`."""

    def close(self) -> None:
        """No more will be run."""


class OnnxBackend:
    """Runs micro-batches in threads, as many at once as there are sessions.

    `lone` runs one that is handed over while no other runs or waits; it may be wider than `runner`, which runs all
    others.
    """

    def __init__(self, runner: Runner, concurrency: int, batch_seconds: float = math.inf) -> None:
        """A micro-batch that takes longer than `batch_seconds` is given up."""
        self.runner = runner
        self.lone = runner
        self.concurrency = concurrency
        self.threads = InferenceThreads(concurrency, batch_seconds)
        self._running = 0

    @property
    def stuck(self) -> int:
        """Runs that were given up and still hold a thread."""
        return self.threads.stuck

    async def run(self, pairs: Sequence[Pair], alone: bool = False) -> BatchRun:
        """Score `n` pairs in one of the backend's threads; BatchTimeoutError if that takes too long.

        `alone`: no other micro-batch waits that will run beside it in a moment.
        """
        # What was given up has left `_running` and still holds a core.
        runner = self.lone if alone and not (self._running or self.stuck) else self.runner
        self._running += 1
        try:
            run = await self.threads.run(partial(self._in_thread, runner, pairs))
        finally:
            self._running -= 1
        return run if runner is self.runner else replace(run, lone=True)

    def run_here(
        self, pairs: Sequence[Pair], options: ort.RunOptions | None = None, runner: Runner | None = None
    ) -> BatchRun:
        """Score `n` pairs in the calling thread, by `runner` or the one of all sessions."""
        return (runner or self.runner).run(pairs, options)

    def run_together(self, pairs: Sequence[Pair], times: int) -> list[BatchRun]:
        """Score the same `n` pairs `times` times, as many at once as there are sessions, and wait."""
        return list(self.threads.map(self.run_here, [pairs] * times))

    def close(self) -> None:
        """Free the threads; what is stuck keeps its runner."""
        self.threads.close()
        if not self.stuck:
            self.lone.close()
            self.runner.close()

    def _in_thread(self, runner: Runner, pairs: Sequence[Pair], options: ort.RunOptions) -> BatchRun:
        try:
            return self.run_here(pairs, options, runner)
        except Exception as error:
            if fault_of(error) is Fault.LOST:
                raise DeviceLostError(in_short(error)) from error
            raise
        except BaseException as error:
            # What ends a thread must not travel on into the event loop and end the process.
            raise WorkerDiedError(f"an inference thread was ended by {error!r}") from error


SHORT_TOKENS = 16
"""Of a pair that is as short as they come."""


def warm_up(backend: OnnxBackend, longest: int, batch_tokens: int) -> float:
    """Run the extreme shapes so that no request pays for them; returns tokens/s of one session while all run.

    Raises BackendError if a run fails or gives anything but one finite number for each pair.
    """
    sizes = [(length, max(1, batch_tokens // length)) for length in (longest, longest, SHORT_TOKENS, SHORT_TOKENS)]
    rounds = [probe(backend, length, count, backend.concurrency) for length, count in sizes]
    return max(min(run.tokens / run.seconds for run in runs) for runs in rounds)


def check_vocabulary(backend: OnnxBackend, largest_id: int) -> None:
    """Run the tokenizer's largest id: an id that the graph has no embedding for fails the request that has it."""
    try:
        backend.run_here(backend.runner.samples(SHORT_TOKENS, 1, largest_id))
    except Exception as error:
        raise BackendError(
            f"the model fails on token id {largest_id}, which the tokenizer gives: they are not of one model; "
            f"export the bundle again ({error})"
        ) from error


def probe(backend: OnnxBackend, length: int, count: int, times: int) -> list[BatchRun]:
    """Run `count` pairs of `length` tokens in so many sessions at once; BackendError as of `warm_up`."""
    try:
        runs = backend.run_together(backend.runner.samples(length, count), times)
    except Exception as error:
        raise BackendError(f"the model fails on {count} pairs of {length} tokens: {error}") from error
    if any(run.logits.shape != (count,) or not np.isfinite(run.logits).all() for run in runs):
        raise BackendError(
            f"the model gives no finite logit for each of {count} pairs of {length} tokens; export the bundle again"
        )
    return runs
