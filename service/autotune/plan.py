"""What the tuner tries, most telling first. Pure.

What a setting fixes is not varied. Where nothing fixes them, sessions × threads stay within the cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from service.autotune.tuning import Layout, OperatingPoint

DEFAULT_MICRO_BATCH_TOKENS = 256
GPU_MICRO_BATCH_TOKENS = 4096
"""Of a GPU until it is measured: 100 candidates of 32 tokens fit in one."""
MICRO_BATCH_TOKENS = {False: tuple(2**power for power in range(6, 11)), True: tuple(2**power for power in range(8, 16))}
"""Micro-batches to try without and with CUDA: on a CPU what stays in cache is fast, a GPU wants to be filled.

None smaller: the batcher's own work on a micro-batch, about 0.1 ms, is not measured here and would begin to count.
"""

TYPICAL_LENGTH = 26
"""Tokens of a pair in the load test's workload: query, title and special tokens."""
LENGTHS = (16, 32, 64)
"""Beside the longest pair that the template allows."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What settings decide; None is left to the tuner."""

    sessions: int | None = None
    threads: int | None = None
    micro_batch_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What bounds the choice: usable cores, the provider, and how many layouts memory lets open side by side.

    `queue_tokens` is the most tokens that the queue takes, None where that depends on the largest body.
    """

    cores: int
    cuda: bool = False
    layouts: int = 16
    queue_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Candidates and pair lengths to measure them at, each most telling first. `default` runs unmeasured."""

    default: OperatingPoint
    candidates: tuple[OperatingPoint, ...]
    lengths: tuple[int, ...]

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Every layout of the candidates, once."""
        return tuple(dict.fromkeys(candidate.layout for candidate in self.candidates))


def make_plan(fixed: Fixed, room: Room, longest: int) -> Plan:
    """The plan for pairs of up to `longest` tokens."""
    layouts = _layouts(fixed, room)[: room.layouts]
    candidates = tuple(OperatingPoint(layout, tokens) for tokens in _micro_batches(fixed, room) for layout in layouts)
    return Plan(candidates[0], candidates, _lengths(longest))


def _layouts(fixed: Fixed, room: Room) -> list[Layout]:
    if room.cuda:
        return [Layout(fixed.sessions or 1, fixed.threads or 1)]
    if fixed.sessions is not None:
        threads = [fixed.threads] if fixed.threads else _powers_up_to(room.cores // fixed.sessions)
        return _ends_first([Layout(fixed.sessions, count) for count in threads])
    if fixed.threads is not None:
        sessions = reversed(_powers_up_to(room.cores // fixed.threads))
        return _ends_first([Layout(count, fixed.threads) for count in sessions])
    return _ends_first([Layout(room.cores // threads, threads) for threads in _powers_up_to(room.cores)])


def _micro_batches(fixed: Fixed, room: Room) -> list[int]:
    if fixed.micro_batch_tokens is not None:
        return [fixed.micro_batch_tokens]
    grid = MICRO_BATCH_TOKENS[room.cuda]
    most = room.queue_tokens or max(grid)
    default = GPU_MICRO_BATCH_TOKENS if room.cuda else DEFAULT_MICRO_BATCH_TOKENS
    return _nearest_first({min(tokens, most) for tokens in grid}, default)


def _lengths(longest: int) -> tuple[int, ...]:
    return tuple(_nearest_first({min(length, longest) for length in (*LENGTHS, longest)}, TYPICAL_LENGTH))


def _powers_up_to(most: int) -> list[int]:
    """1, 2, 4 … and `most` itself, ascending; at least [1]."""
    powers = {2**power for power in range(max(1, most).bit_length())}
    return sorted(powers | {max(1, most)})


def _ends_first(layouts: list[Layout]) -> list[Layout]:
    return list(dict.fromkeys([layouts[0], layouts[-1], *layouts]))


def _nearest_first(values: set[int], reference: int) -> list[int]:
    """By ratio to the reference; of two equally far, the smaller first."""
    return sorted(values, key=lambda value: (abs(log(value / reference)), value))
