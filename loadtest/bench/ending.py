"""How the benches end: one JSON line last, or one line that says why there is none."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from relevance.bundle import BundleError


def print_report(measure: Callable[[], Mapping[str, Any]]) -> int:
    """Measure and print; the exit status, 1 if something could not be measured."""
    # The servers are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        report = measure()
    except (BundleError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report))
    return 0
