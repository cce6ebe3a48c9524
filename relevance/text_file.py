"""Lines of a UTF-8 text file, gzipped or plain, with errors that name the file and the line.

Lines end with LF, CR LF or CR. Training and the catalogue's build open their files here, so that both take the same.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TextIO, cast

GZIP_MAGIC = b"\x1f\x8b"
JSON_LINES: Final = (".jsonl", ".ndjson")
"""What files of a JSON value a line are named, gzipped ones apart."""

Codec = Literal["utf-8", "utf-8-sig", "latin-1"]


class TextFileError(ValueError):
    """A file that cannot be read as text; the message names it, and what to do."""


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a file that is there; TextFileError if it may not be read or turns out to be something else."""
    try:
        with _opened(path, "utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        raise TextFileError(_not_utf8(path, error)) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TextFileError(f"{path} is no whole gzip file: {error}; copy it again") from error
    except OSError as error:
        raise TextFileError(cannot_be_read(path, error)) from error


def cannot_be_read(path: Path, error: OSError) -> str:
    """What to say where the operating system does not let `path` be read."""
    return f"{path} cannot be read ({error.strerror or error}); check the permissions of this process"


def _opened(path: Path, codec: Codec) -> TextIO:
    opened = gzip.open if is_gzip_name(path) else open
    return cast(TextIO, opened(path, "rt", encoding=codec, newline=""))


def is_gzip_name(path: Path) -> bool:
    """Whether the file's name says that it is gzipped."""
    return path.suffix.lower() == ".gz"


def _not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    if packed and not is_gzip_name(path):
        return f"{path} is gzip; name it {path.name}.gz"
    # The error's position is one within a block of the file, which is of no use to anyone.
    fault = f"byte 0x{error.object[error.start]:02x}: {error.reason}"
    return f"{path}:{_first_line_not_utf8(path)}: not UTF-8 ({fault}); save the file as UTF-8"


def _first_line_not_utf8(path: Path) -> int:
    # Every byte is a character of Latin-1, so its lines are those that the text was read in.
    with _opened(path, "latin-1") as file:
        for number, line in enumerate(file, 1):
            try:
                line.encode("latin-1").decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1
