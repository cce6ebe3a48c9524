"""What can go wrong in an export.

ExportError
├── CheckpointError     the checkpoint, or the bundle, is not there or not one that can be used
├── GraphError          a graph is not of the shape that a rewrite of it needs
├── ParityError         a graph does not compute what the checkpoint computes; names the largest difference
└── ProductFileError    a file of products cannot be used; names the file and the row
"""

from __future__ import annotations

import signal
from typing import Final

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit status of what Ctrl-C ended, by the custom of shells."""


class ExportError(Exception):
    """Any failure that stops an export."""


class CheckpointError(ExportError):
    """The checkpoint cannot be exported, or the bundle cannot be run; the message names it."""


class GraphError(ExportError):
    """A graph cannot be rewritten; the message names the node and what it should be."""


class ParityError(ExportError):
    """A graph and its source disagree by more than the stated bound."""


class ProductFileError(ExportError):
    """A file of products, or one of its rows, cannot be used; the message names the file and the row."""
