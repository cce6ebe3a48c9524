"""`python -m service`: signals heeded → settings → bundle checked → backend warmed → port opened → ready.

Anything that fails before the port opens is told in one line, with exit code 1. SIGTERM or SIGINT
drains: not ready at once, accepted requests are answered, then exit code 0. A second one exits now, as does
one that comes before the port opens.
"""

from __future__ import annotations

import sys

from service.signals import exit_at_once


def main() -> int:
    """Run the service; returns the exit code."""
    exit_at_once()
    # Not above: to import it takes most of the start, and a signal may come meanwhile.
    from service.start import run  # noqa: PLC0415

    return run()


if __name__ == "__main__":
    sys.exit(main())
