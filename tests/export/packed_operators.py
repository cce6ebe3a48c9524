"""ONNX Runtime's operators of packing mode by what their documentation says, in operators that a CPU has.

The operators themselves are CUDA's alone. With these in their place a packed graph runs here, and its logits tell
whether it was put together rightly; CUDA's own kernels are checked by `loadtest.gpu_bench`.
"""

from __future__ import annotations

import onnx
from onnx.parser import parse_function

DOMAIN = "tests"
HEAD = f'<domain: "{DOMAIN}", opset_import: ["" : 17, "com.microsoft" : 1, "{DOMAIN}" : 1]>'

REMOVE_PADDING = f"""
{HEAD} RemovePadding (input, counts) => (packed, token_offset, cumulated, longest)
{{
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    first = Constant <value_ints = [0]> ()
    flat = Constant <value_ints = [-1]> ()
    shape = Shape (input)
    width = Gather (shape, one)
    wide = Cast <to = 7> (counts)
    column = Unsqueeze (wide, one)
    positions = Range (zero, width, one)
    inside = Less (positions, column)
    real = Reshape (inside, flat)
    padding = Not (real)
    tokens = Size (real)
    all = Range (zero, tokens, one)
    kept = Compress (all, real)
    left = Compress (all, padding)
    offsets = Concat <axis = 0> (kept, left)
    both = Shape <start = 0, end = 2> (input)
    rows = Reshape (offsets, both)
    token_offset = Cast <to = 6> (rows)
    depth = Shape <start = 2> (input)
    flattened = Concat <axis = 0> (flat, depth)
    together = Reshape (input, flattened)
    packed = Gather (together, kept)
    summed = CumSum (wide, zero)
    ends = Concat <axis = 0> (first, summed)
    cumulated = Cast <to = 6> (ends)
    most = ReduceMax (wide)
    longest = Cast <to = 6> (most)
}}
"""

RESTORE_PADDING = f"""
{HEAD} RestorePadding (packed, token_offset) => (restored)
{{
    zero = Constant <value_ints = [0]> ()
    flat = Constant <value_ints = [-1]> ()
    nothing = Constant <value_float = 0.0> ()
    count = Shape <start = 0, end = 1> (packed)
    depth = Shape <start = 1> (packed)
    offsets = Reshape (token_offset, flat)
    kept = Slice (offsets, zero, count)
    wide = Cast <to = 7> (kept)
    axis = Constant <value_ints = [1]> ()
    places = Unsqueeze (wide, axis)
    tokens = Shape (offsets)
    flattened = Concat <axis = 0> (tokens, depth)
    like = CastLike (nothing, packed)
    empty = Expand (like, flattened)
    filled = ScatterND (empty, places, packed)
    rows = Shape (token_offset)
    whole = Concat <axis = 0> (rows, depth)
    restored = Reshape (filled, whole)
}}
"""

PACKED_ATTENTION = f"""
{HEAD} PackedAttention <num_heads> (packed, weights, bias, token_offset, cumulated) => (attended)
{{
    zero = Constant <value_ints = [0]> ()
    one = Constant <value_ints = [1]> ()
    last = Constant <value_ints = [-1]> ()
    end = Constant <value_ints = [9223372036854775807]> ()
    starts = Slice (cumulated, zero, last)
    stops = Slice (cumulated, one, end)
    counts = Sub (stops, starts)
    restored = {DOMAIN}.RestorePadding (packed, token_offset)
    whole = com.microsoft.Attention <num_heads: int = @num_heads> (restored, weights, bias, counts)
    attended, again, ends, longest = {DOMAIN}.RemovePadding (whole, counts)
}}
"""


def runs_here(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a packed graph that a CPU can run."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    functions = [parse_function(text) for text in (REMOVE_PADDING, RESTORE_PADDING, PACKED_ATTENTION)]
    copy.functions.extend(functions)
    copy.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    for node in copy.graph.node:
        if node.op_type in {function.name for function in functions}:
            node.domain = DOMAIN
    return copy
