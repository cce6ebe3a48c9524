"""Who takes part: the raw graph, the service, and the peers, all started on the same bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.closed_loop import drive
from loadtest.measured import Measured
from loadtest.peers.environments import Environment
from loadtest.peers.launch import PEERS
from loadtest.peers.model import write_model_directory
from loadtest.raw_session import RawSessions
from loadtest.server import Launch, Server, launch_aisle, started
from loadtest.systems import Aisle, Call, System, Target
from loadtest.workload import Body, Workload
from relevance.bundle import Bundle

NO_CACHES = {"token_cache_mb": 0, "candidate_cache_mb": 0, "score_cache_mb": 0}
BODIES = 64


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes, in seconds; `memory_requests` is a count."""

    rounds: int = 5
    seconds: float = 4.0
    open_seconds: float = 12.0
    warm_up_seconds: float = 1.0
    # Shorter trials have been seen to pick a slower way to drive the raw session.
    trial_seconds: float = 2.5
    memory_requests: int = 10_000


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system that listens."""

    system: System
    server: Server

    @property
    def name(self) -> str:
        """The system's."""
        return self.system.name

    @property
    def target(self) -> Target:
        """Where its requests go."""
        return Target(self.name, self.server.host, self.server.port, self.system.path)

    def calls(self, bodies: Iterable[Body]) -> list[Call]:
        """The requests in its dialect."""
        return [self.system.call(body) for body in bodies]

    def drive(self, calls: Iterable[Call], clients: int, seconds: float) -> Measured:
        """Closed-loop clients against it."""
        return drive(self.target, calls, clients, seconds)


@dataclass(frozen=True, slots=True)
class Arena:
    """What every load is given. `contestants[0]` is Aisle, without caches."""

    bundle: Bundle
    raw: RawSessions
    contestants: Sequence[Contestant]
    pace: Pace
    seed: int = 0
    split: Bundle | None = None
    """The split student's, where one takes part."""

    @property
    def aisle(self) -> Contestant:
        """Our own service."""
        return self.contestants[0]


@contextmanager
def opened(bundle: Bundle, peers: Sequence[str], pace: Pace, split: Bundle | None = None) -> Iterator[Arena]:
    """Start everybody on `bundle`, but for `split`; RuntimeError, with the end of the log of who is not ready."""
    template = bundle.manifest.template
    raw = RawSessions(bundle, Workload(seed=0, candidates=50).bodies(BODIES))
    with tempfile.TemporaryDirectory() as models, ExitStack() as stack:
        entries: list[tuple[System, Launch]] = [(Aisle(), launch_aisle(bundle.directory, **NO_CACHES))]
        for name in peers:
            # One directory each: Infinity writes its optimised graph beside the original.
            model = Path(models) / name
            write_model_directory(bundle, model)
            entries.append((PEERS[name].system(template), PEERS[name].launch(Environment(name), model)))
        contestants: list[Contestant] = []
        for system, launch in entries:
            contestants.append(Contestant(system, stack.enter_context(started(launch))))
            if len(contestants) == 1:
                # Aisle's autotune measures the machine at its start, and must have it alone.
                contestants[0].server.wait_until_ready()
        for contestant in contestants:
            contestant.server.wait_until_ready()
        yield Arena(bundle, raw, contestants, pace, split=split)


@contextmanager
def aisles(bundle: Bundle, settings: Mapping[str, Mapping[str, object]]) -> Iterator[dict[str, Contestant]]:
    """Services that differ in their settings, by name."""
    with ExitStack() as stack:
        made: dict[str, Contestant] = {}
        for name, given in settings.items():
            made[name] = Contestant(Aisle(), stack.enter_context(started(launch_aisle(bundle.directory, **given))))
            made[name].server.wait_until_ready()
        yield made
