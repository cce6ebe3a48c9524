"""The one thread that runs graphs on a device.

It is one because ONNX Runtime keeps captured CUDA graphs by thread, and because a device that is always busy is filled
by one: callers' threads prepare the next run meanwhile. And it is one run at a time that needs memory.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import onnxruntime as ort

from service.errors import BatchTimeoutError

ResultT = TypeVar("ResultT")


class DeviceThread:
    """Runs what callers of any thread hand over, in the order in which they come."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="device")

    def run(self, work: Callable[[], ResultT], options: ort.RunOptions | None) -> ResultT:
        """What `work` gives; BatchTimeoutError if it was told to stop before its turn came."""

        def in_turn() -> ResultT:
            if options is not None and options.terminate:
                raise BatchTimeoutError("it was given up before the device came to it")
            return work()

        return self._thread.submit(in_turn).result()

    def close(self) -> None:
        """End the thread; what runs is not waited for."""
        self._thread.shutdown(wait=False)
