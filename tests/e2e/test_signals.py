"""Signals at moments that are no quiet service's: while it is imported, while it drains, while a reload hangs."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from service.signals import SIGNALS
from tests.e2e.server_process import ROOT, SECONDS

SENDS_ITSELF_A_SIGNAL = """
import os, runpy, sys

class AtTheFirstLibrary:
    def find_spec(name, *_):
        if name.partition(".")[0] not in sys.stdlib_module_names | {"service"}:
            os.kill(os.getpid(), NUMBER)

sys.meta_path.insert(0, AtTheFirstLibrary)
runpy.run_module("service", run_name="__main__")
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_one_during_the_imports_ends_it(number: signal.Signals) -> None:
    script = SENDS_ITSELF_A_SIGNAL.replace("NUMBER", str(number.value))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, f"aisle was ended before it was ready: {number.name}\n")
