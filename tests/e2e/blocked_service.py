"""`python -m tests.e2e.blocked_service`: the real service, but closing it blocks the event loop for ever."""

from __future__ import annotations

import sys
import threading

from service import draining_server
from service.__main__ import main
from service.app import Service


async def close(_: Service) -> None:
    """Never comes back, nor lets anything else run in the loop."""
    threading.Event().wait()


if __name__ == "__main__":
    Service.close = close  # type: ignore[method-assign]
    draining_server.LAST_SECONDS = 0.1
    sys.exit(main())
