"""A replica as the parent sees it: a process, its channel, and the connections that it has."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from service.group.channel import open_channel
from service.group.member import Member, environment_of
from service.settings import Settings

LONGEST_REST: Final = 30.0
"""Seconds before a replica that does not come up is started again; the first time it is one."""
END_SECONDS: Final = 5.0
"""How long a replica whose channel is closed may take to be gone."""


@dataclass(slots=True, eq=False)
class Replica:
    """A started process, and how many connections it has."""

    member: Member
    process: subprocess.Popen[bytes]
    channel: socket.socket
    ready: bool = False
    connections: int = 0

    def exit_code(self) -> int:
        """Of a process whose channel is closed; it is killed where it does not end."""
        self.channel.close()
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start_replica(number: int, settings: Settings, cores: int, group: str) -> Replica:
    """Start one of `settings.replicas`, which share that many cores and the group's name."""
    ours, theirs = open_channel()
    member = Member(number, settings.replicas, theirs.fileno(), group)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            env=environment_of(member, settings, cores, os.environ),
            pass_fds=[theirs.fileno()],
            # A terminal's Ctrl-C reaches the parent alone, which passes it on once.
            process_group=0,
        )
    return Replica(member, process, ours)


def by_connections(replicas: Iterable[Replica]) -> Sequence[Replica]:
    """Those that are ready, the one with the fewest connections first."""
    return sorted((one for one in replicas if one.ready), key=lambda one: (one.connections, one.member.number))


def rest_after(failures: int) -> float:
    """Seconds to wait where a replica has ended so many times more without having been ready."""
    # A power that is far past the longest rest is one that no float can hold, in the end.
    return min(LONGEST_REST, 2.0 ** min(failures, 10))
