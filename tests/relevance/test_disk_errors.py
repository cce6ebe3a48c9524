from __future__ import annotations

import errno

import pytest

from relevance.disk_errors import has_remedy, remedy


@pytest.mark.parametrize(
    ("number", "what_to_do", "known"),
    [
        (errno.ENOSPC, "free space there", True),
        (errno.EDQUOT, "free space there", True),
        (errno.EACCES, "let this user read and write there", True),
        (errno.EROFS, "let this user read and write there", True),
        (errno.EIO, "mend that", False),
    ],
)
def test_an_error_of_the_disk_says_what_to_do(number: int, what_to_do: str, known: bool) -> None:
    error = OSError(number, "")
    assert remedy(error) == f"{what_to_do} and run again"
    assert has_remedy(error) == known
