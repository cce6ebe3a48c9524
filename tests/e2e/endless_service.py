"""`python -m tests.e2e.endless_service`: the real service, but closing it takes for ever."""

from __future__ import annotations

import asyncio
import sys

from service import draining_server
from service.__main__ import main
from service.app import Service


async def close(_: Service) -> None:
    """Never comes back."""
    await asyncio.Event().wait()


if __name__ == "__main__":
    Service.close = close  # type: ignore[method-assign]
    draining_server.LAST_SECONDS = 0.1
    sys.exit(main())
