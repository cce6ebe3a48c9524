"""What can be wrong with a catalogue.

CatalogueError              the catalogue cannot be used or written; the message names the file and what to do
└── FinishedError           it is finished and never written again
DamagedRecordError          one record is not what was written; the reader turns it into a miss
"""

from __future__ import annotations


class CatalogueError(Exception):
    """A catalogue that cannot be used or written; the message names the file and what to do."""


class FinishedError(CatalogueError):
    """A catalogue that is finished, where one was to be written."""


class DamagedRecordError(Exception):
    """The bytes of a record are not those that were written."""
