"""`python -m tests.e2e.group_service`: the real service, to which any machine has the cores for two replicas."""

from __future__ import annotations

import sys

from service.__main__ import main
from service.cores import usable_cores
from service.group import parent


def at_least_two(most: int | None = None) -> int:
    """In the place of the machine's own."""
    return max(2, usable_cores(most))


if __name__ == "__main__":
    parent.usable_cores = at_least_two  # type: ignore[assignment]
    sys.exit(main())
