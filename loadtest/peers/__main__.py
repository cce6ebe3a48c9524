"""`python -m loadtest.peers install [NAME …]`: install the peers that `loadtest.bench` compares Aisle with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from loadtest.peers.environments import Environment, peer_names


def main(arguments: Sequence[str] | None = None) -> int:
    """Install what is not there yet."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.peers", description=__doc__)
    install = parser.add_subparsers(required=True).add_parser("install", help="make their virtual environments")
    # No `choices`: argparse would hold the empty list of "all of them" against it.
    install.add_argument("names", nargs="*", metavar="NAME", help=f"default: all, {', '.join(peer_names())}")
    names = parser.parse_args(arguments).names or peer_names()
    if unknown := [name for name in names if name not in peer_names()]:
        parser.error(f"unknown peer {', '.join(unknown)}; known are {', '.join(peer_names())}")
    try:
        for name in names:
            _install(Environment(name))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _install(environment: Environment) -> None:
    if environment.missing() is None:
        print(f"{environment.peer}: installed in {environment.directory}")
        return
    print(f"{environment.peer}: installing in {environment.directory}", flush=True)
    environment.install()


if __name__ == "__main__":
    sys.exit(main())
