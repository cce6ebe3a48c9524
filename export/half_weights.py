"""Large weights that an int8 graph keeps in fp32 are stored in fp16: half the bytes, and arithmetic in fp32 still.

A cast stands between such a weight and its readers. ONNX Runtime computes it once, when it opens the graph. Weights are
rounded to 11 bits, which is small beside what the int8 products around them round (the finished graph's parity has it).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

SMALLEST_BYTES = 65_536
"""Of an fp32 weight that is worth a cast."""


def halve_weights(path: Path) -> None:
    """Store the large fp32 weights of the graph at `path` in fp16, in place; those beyond fp16's range stay."""
    model = onnx.load(str(path))
    graph = model.graph
    casts = []
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.nbytes < SMALLEST_BYTES:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        half = f"{weight.name}_half"
        graph.initializer.remove(weight)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [weight.name], f"{half}_cast", to=onnx.TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        graph.node.insert(place, cast)
    onnx.save(model, str(path))
