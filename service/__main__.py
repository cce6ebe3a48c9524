"""`python -m service`: signals heeded → settings → bundle checked → backend warmed → port opened → ready.

With `AISLE_REPLICAS` all that happens in processes of their own (`service/group/`).

Anything that fails before the port opens is told in one line, with exit code 1. SIGTERM, SIGINT or
SIGHUP drains: not ready at once, accepted requests are answered, then exit code 0. At a second one those that are
left are answered 503. One that comes before the port opens exits now.
"""

from __future__ import annotations

import sys

from service.signals import exit_at_once


def main() -> int:
    """Run the service; returns the exit code of one that does not start."""
    exit_at_once()
    # Not above: to import it takes most of the start, and a signal may come meanwhile.
    from service.start import run  # noqa: PLC0415

    return run()


if __name__ == "__main__":
    sys.exit(main())
