"""What can go wrong in an export.

ExportError
├── CheckpointError     the checkpoint is not there or is not a cross-encoder
└── ParityError         a graph does not compute what the checkpoint computes; names the largest difference
"""

from __future__ import annotations


class ExportError(Exception):
    """Any failure that stops an export."""


class CheckpointError(ExportError):
    """The checkpoint cannot be exported; the message names it."""


class ParityError(ExportError):
    """A graph and its source disagree by more than the stated bound."""
