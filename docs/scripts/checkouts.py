"""What scripts share that measure the service of several checkouts in one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path

from loadtest.bench.arena import Contestant
from loadtest.server import launch_aisle, started
from loadtest.systems import Aisle


def named_checkout(text: str) -> tuple[str, Path]:
    """NAME=CHECKOUT of a command line."""
    name, _, path = text.partition("=")
    return name, Path(path).resolve()


@contextmanager
def services(checkouts: Mapping[str, Path], bundle: Path, **settings: object) -> Iterator[dict[str, Contestant]]:
    """Each checkout's service on `bundle`, ready; one after the other, as each tunes itself with the machine alone."""
    with ExitStack() as stack:
        made: dict[str, Contestant] = {}
        for name, checkout in checkouts.items():
            with chdir(checkout):
                made[name] = Contestant(Aisle(), stack.enter_context(started(launch_aisle(bundle, **settings))))
            made[name].server.wait_until_ready()
        yield made
