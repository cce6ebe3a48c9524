"""Buffers of fixed shape, bound once: on the host where micro-batches are written, on the device where they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.pair_encoding import IntArray, PaddedBatch
from service.errors import BackendError
from service.gpu.options import GRAPH_ID
from service.gpu.shapes import Shape

_OUTPUT_TYPES: Mapping[str, type] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

Pin = Callable[[IntArray], None]
"""Makes an array's memory fast for the device to read; on a CPU there is nothing to do."""


def no_pin(_: IntArray) -> None:
    """Leave the memory as it is."""


class Staging:
    """Host memory for one micro-batch of at most `tokens` padded tokens."""

    def __init__(self, tokens: int, pin: Pin) -> None:
        self._memory = np.zeros(3 * tokens, dtype=np.int64)
        pin(self._memory)

    def batch(self, shape: Shape) -> PaddedBatch:
        """The memory as three arrays of that shape, with what was last written to it."""
        return PaddedBatch(*self._memory[: 3 * shape.tokens].reshape(3, *shape))


@dataclass(frozen=True, slots=True)
class BindingRules:
    """Where device buffers lie ("cpu" or "cuda"), and whether their shape is captured as a CUDA graph."""

    device: str = "cpu"
    cuda_graphs: bool = False
    pin: Pin = no_pin


class BoundShape:
    """Device buffers of one shape, bound to a session. Used by one thread at a time."""

    def __init__(self, session: ort.InferenceSession, shape: Shape, rules: BindingRules, graph_id: int) -> None:
        """`graph_id` names the shape's CUDA graph, where it is captured; a session has each only once."""
        new = ort.OrtValue.ortvalue_from_shape_and_type
        self._session = session
        self._inputs = [new(shape, np.int64, rules.device) for _ in INPUTS]
        self._output = new(*_output_of(session, shape), rules.device)
        self._binding = session.io_binding()
        for name, value in zip(INPUTS, self._inputs, strict=True):
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_ortvalue_output(OUTPUT, self._output)
        self._graph_options = _replaying(graph_id) if rules.cuda_graphs else None

    def run(self, batch: PaddedBatch, options: ort.RunOptions | None) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Copy `batch` to the device, run it, and copy its logits (rows,) back."""
        arrays = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        for value, array in zip(self._inputs, arrays, strict=True):
            value.update_inplace(array)
        # A captured graph is one launch: there is no operator between which it could be told to stop.
        self._session.run_with_iobinding(self._binding, self._graph_options or options)
        # A copy in any case: on a CPU `numpy()` shows the buffer itself, and the next run writes to that.
        return np.array(self._output.numpy(), dtype=np.float32).reshape(-1)


def _replaying(graph_id: int) -> ort.RunOptions:
    options = ort.RunOptions()
    options.add_run_config_entry(GRAPH_ID, str(graph_id))
    return options


def _output_of(session: ort.InferenceSession, shape: Shape) -> tuple[list[int], type]:
    """Shape and type of the logits; BackendError where a buffer cannot be made for them."""
    output = next(node for node in session.get_outputs() if node.name == OUTPUT)
    if output.type not in _OUTPUT_TYPES or len(output.shape or ()) not in (1, 2):
        raise BackendError(
            f"the graph's output '{OUTPUT}' is {output.type} of shape {output.shape}, for which no buffer can be "
            "bound; export it as float of shape (n, 1), or set AISLE_BUCKETS=off"
        )
    return [shape.pairs, 1][: len(output.shape)], _OUTPUT_TYPES[output.type]
