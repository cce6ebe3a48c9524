"""A bundle's graph `encoder`, opened and run for a build: whatever is wrong with it is told with its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import onnxruntime

from export.errors import CheckpointError
from export.sessions import cpu_session
from relevance.product_record import Latents
from relevance.runtime_errors import in_short
from relevance.split_graphs import ENCODER_INPUTS, ENCODER_OUTPUTS
from relevance.split_inputs import encoder_inputs

LATENTS: Final = ENCODER_OUTPUTS[1]
EXPORT_AGAIN: Final = "export the bundle again"


class EncoderGraph:
    """Runs in the calling thread; several threads may call at once. CheckpointError if it does not run."""

    def __init__(self, path: Path, session: onnxruntime.InferenceSession) -> None:
        self._path, self._session = path, session
        self._quietly = onnxruntime.RunOptions()
        # What goes wrong in a run is raised, and need not be logged in colours before.
        self._quietly.log_severity_level = 4

    @classmethod
    def open(cls, path: Path) -> Self:
        """CheckpointError if ONNX Runtime does not load it, or if it is another graph than `encoder`."""
        try:
            session = cpu_session(path, threads=1)
        except Exception as error:
            # ONNX Runtime's errors have no class of their own above them.
            raise CheckpointError(f"ONNX Runtime cannot load {path}: {in_short(error)}; {EXPORT_AGAIN}") from error
        inputs, outputs = ({item.name for item in items} for items in (session.get_inputs(), session.get_outputs()))
        if inputs != set(ENCODER_INPUTS) or LATENTS not in outputs:
            raise CheckpointError(f"{path} is no encoder's graph: it reads {', '.join(sorted(inputs))}; {EXPORT_AGAIN}")
        return cls(path, session)

    def check_fits(self, largest_id: int, longest: int, width: int) -> None:
        """CheckpointError unless it gives `width` numbers a token for ids and lengths up to these.

        It runs once for it: before any product is read, and not in the middle of millions.
        """
        latents = self.latents([[largest_id] * longest], pad_id=0)
        if latents.dtype != np.int8 or latents.shape != (1, longest, width):
            found = f"latents of {latents.shape[-1]} {latents.dtype} numbers a token"
            raise CheckpointError(
                f"{self._path} gives {found}, the bundle's manifest says {width} int8; {EXPORT_AGAIN}"
            )

    def latents(self, texts: Sequence[Sequence[int]], pad_id: int) -> Latents:
        """Latents (n, longest, width) of n texts."""
        try:
            (latents,) = self._session.run([LATENTS], encoder_inputs(texts, pad_id), self._quietly)
        except Exception as error:
            longest, highest = max(map(len, texts)), max(map(max, texts))
            raise CheckpointError(
                f"{self._path} cannot run on {longest} tokens with ids up to {highest}, which its bundle's tokenizer "
                f"and template may give ({in_short(error)}); {EXPORT_AGAIN}"
            ) from error
        return np.asarray(latents)
