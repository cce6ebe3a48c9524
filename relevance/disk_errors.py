"""What a user can do about an error of the disk, as the end of a message."""

from __future__ import annotations

import errno
from typing import Final

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def has_remedy(error: OSError) -> bool:
    """Whether it is one that the user can do something about: a full disk, or what may not be read or written."""
    return error.errno in (*_FULL, *_FORBIDDEN)


def remedy(error: OSError) -> str:
    """What the user can do about it."""
    if error.errno in _FULL:
        return "free space there and run again"
    if error.errno in _FORBIDDEN:
        return "let this user read and write there and run again"
    return "mend that and run again"
