"""What ONNX Runtime raises, as one line for a log. Pure."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 500

_PLACE = re.compile(r"\S+\.(?:cc|cpp|cu|cuh|h):\d+ [^\[\]]*\[with [^\]]*\] ")
"""A file of C++ with the whole signature of a template in it. Of CUDA's errors two stand before the cause."""


def in_short(error: BaseException) -> str:
    """The first line of `error` without places in C++: messages go on with stack traces."""
    line = (str(error).strip().splitlines() or [repr(error)])[0]
    return _PLACE.sub("", line)[:LONGEST]
