"""`python -m service`: settings → bundle checked → backend warmed → port opened → ready.

Anything that fails before the port opens is told in one line, with exit code 1. SIGTERM or SIGINT
drains: not ready at once, accepted requests are answered, then exit code 0. A second one exits now.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from relevance.bundle import BundleError
from service.app import Service, create_app, create_service, load
from service.errors import StartupError
from service.logs import configure_logging
from service.settings import load_settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class DrainingServer(uvicorn.Server):
    """Keeps the port open while draining, so that probes and clients are told 503 and not refused."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._draining: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's handlers, which close the port at once and end with the signal's exit code."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        yield
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain_and_exit())
        else:
            self.should_exit = self.force_exit = True

    async def _drain_and_exit(self) -> None:
        await self._service.drain()
        self.should_exit = True


def main() -> int:
    """Run the service; returns the exit code."""
    # Batches keep every core busy; a thread pool inside the tokenizer would only fight them for it.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        settings = load_settings()
        configure_logging(settings.log_level.upper())
        service = create_service(load(settings))
    except (StartupError, BundleError) as error:
        print(f"aisle does not start: {error}", file=sys.stderr)
        return 1
    config = uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    DrainingServer(config, service).run()
    if service.engine.backend.stuck:
        # Python would wait for the threads that hang, and so for ever.
        logging.shutdown()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
