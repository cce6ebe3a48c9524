"""How the export opens a graph on the CPU: with the products of integers that serving computes."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from relevance.integer_products import ask_for_exact_products


def cpu_session(graph: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """A session of that many threads, or of one for each core."""
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    ask_for_exact_products(options)
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
