"""A replica's place in its group: what the parent gives it, and how it finds that."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from service.settings import PREFIX, Settings

VARIABLE: Final = f"_{PREFIX}MEMBER"
"""No setting: the parent's alone."""

SHARED_SETTINGS: Final = (
    "token_cache_mb",
    "candidate_cache_mb",
    "score_cache_mb",
    "product_cache_mb",
    "query_cache_mb",
    "max_connections",
)
"""What is given for the service as a whole, so that each replica has its share."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of `replicas`, by its number; the descriptor of its channel; a name that no other group has."""

    number: int
    replicas: int
    channel: int
    group: str

    def take_channel(self) -> socket.socket:
        """Its end of the channel, for the one who hears what comes over it."""
        return socket.socket(fileno=self.channel)

    def listen(self) -> socket.socket:
        """Listen where the other replicas find this one."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.place_of(self.number))
        listening.listen()
        return listening

    def others(self) -> dict[int, str]:
        """Where the other replicas listen, by number."""
        return {number: self.place_of(number) for number in range(self.replicas) if number != self.number}

    def place_of(self, number: int) -> str:
        """The address of a replica: an abstract one, as no folder may be writable, and nothing is to be left in it."""
        return f"\0aisle-{self.group}-{number}"


def member_of_group() -> Member | None:
    """This process' place; None if it is the service by itself."""
    given = os.environ.pop(VARIABLE, None)
    return None if given is None else Member(**json.loads(given))


def environment_of(member: Member, settings: Settings, cores: int, base: Mapping[str, str]) -> dict[str, str]:
    """A replica's environment: the parent's, with its share of what is given for all."""
    own: dict[str, object] = {"cores": share_of(cores, member)}
    for name in SHARED_SETTINGS:
        if (whole := getattr(settings, name)) is not None:
            own[name] = -(-whole // member.replicas)
    names = {f"{PREFIX}{name}".upper() for name in (*own, "replicas")}
    kept = {name: value for name, value in base.items() if name.upper() not in names}
    given = {f"{PREFIX}{name}".upper(): str(value) for name, value in own.items()}
    return {**kept, **given, VARIABLE: json.dumps(asdict(member))}


def share_of(cores: int, member: Member) -> int:
    """The replica's part of the cores; the first ones have one more where they do not divide."""
    return max(1, cores // member.replicas + (member.number < cores % member.replicas))
