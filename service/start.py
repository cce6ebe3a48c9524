"""From settings to what they ask for, one service or a group of replicas, and to its exit code."""

from __future__ import annotations

import logging
import os
import sys

import service.environment  # noqa: F401  # before what reads the environment when it is imported
from relevance.bundle import BundleError
from service.errors import StartupError
from service.logs import configure_logging
from service.settings import Settings, load_settings


def run() -> int:
    """Run the service and end the process with it; returns the exit code of one that does not start."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level.upper())
        code = _run(settings)
    except (StartupError, BundleError) as error:
        print(f"aisle does not start: {error}", file=sys.stderr)
        return 1
    # Nothing is left to do, and Python would wait for every thread: for ever, where one hangs on a device or a disk.
    logging.shutdown()
    os._exit(code)


def _run(settings: Settings) -> int:
    # Imported where it is needed: the parent of a group stays small, and is quick to start the first replica.
    if settings.replicas > 1:
        from service.group.parent import run_group  # noqa: PLC0415

        return run_group(settings)
    from service.serving import serve  # noqa: PLC0415

    serve(settings)
    return 0
