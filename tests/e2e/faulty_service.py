"""`python -m tests.e2e.faulty_service`: the real service, whose inference threads do what a title asks for.

`z` hangs until the process ends, `y` until somebody opens the named pipe `FAULT_PIPE`, and `x` ends its thread.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relevance.pair_encoding import EncodedPair
from service.__main__ import main
from service.backend import BatchRun, OnnxBackend
from tests.service.tiny_bundle import PIECES

HANGS, WAITS, DIES = (PIECES.index(letter) for letter in "zyx")

run_here = OnnxBackend.run_here


def faulty(backend: OnnxBackend, pairs: Sequence[EncodedPair], *options: Any) -> BatchRun:
    """What the letters say, then the run as it is."""
    tokens = {token for pair in pairs for token in pair.ids}
    if HANGS in tokens:
        threading.Event().wait()
    if WAITS in tokens:
        Path(os.environ["FAULT_PIPE"]).read_bytes()
    if DIES in tokens:
        raise SystemExit("the thread is ended")
    return run_here(backend, pairs, *options)


if __name__ == "__main__":
    OnnxBackend.run_here = faulty  # type: ignore[method-assign, assignment]
    sys.exit(main())
