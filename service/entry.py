"""What waits in the queue: one request's pairs, by their lengths and what it asks for. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf


class DropReason(StrEnum):
    """Why work was thrown away unscored."""

    DEADLINE = "deadline"
    DISCONNECTED = "disconnected"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """One request's pairs. `lengths[i]` is the token count of pair i, `deadline` is in the caller's clock.

    `order` lists pair indexes in the order to serve; None leaves the order to the queue. `priority` 0 is the
    most urgent. `hurried`: it is not expected to be whole by its deadline. Whoever pushed the entry sets `dead` when
    its result is no longer wanted. `shared`: its windows are the parts for all sessions, each a batch by itself.
    """

    lengths: Sequence[int]
    order: Sequence[int] | None = None
    deadline: float = inf
    hurried: bool = False
    priority: int = 0
    dead: DropReason | None = None
    windows: deque[list[int]] = field(default_factory=deque, init=False)
    finish: float = field(default=0.0, init=False)
    shared: bool = field(default=False, init=False)
    sort_key: tuple[int, float, float, float, int] = field(default=(0, 0.0, 0.0, 0.0, 0), init=False)

    def waiting(self) -> Iterable[int]:
        """Pair indexes not yet taken."""
        return (row for window in self.windows for row in window)
