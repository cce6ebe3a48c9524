"""How ONNX Runtime has to multiply integers, so that an int8 graph gives one machine's logits on every machine.

x86 processors without VNNI add two products of 8 bits in 16: with weights over 64 that saturates, and a split student's
ranking is lost (docs/serving.md). There ONNX Runtime can be asked for a slower kernel for such graphs. Where there is
VNNI sums have 32 bits, and asking would take the fast kernel away all the same. Graphs exported now keep their weights
within 64 and need it nowhere.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Protocol

CPU_INFO: Final = Path("/proc/cpuinfo")
SLOWER_KERNEL: Final = ("session.x64quantprecision", "1")
VNNI: Final = frozenset({"avx512_vnni", "avx_vnni"})


class SessionOptions(Protocol):
    """Of ONNX Runtime, which this folder does not import."""

    def add_session_config_entry(self, name: str, value: str, /) -> None:
        """Set one entry of the session's configuration."""


def ask_for_exact_products(options: SessionOptions) -> None:
    """Let a session of these options multiply integers exactly on this machine."""
    for entry in exact_products():
        options.add_session_config_entry(*entry)


@cache
def exact_products(cpu_info: Path = CPU_INFO) -> tuple[tuple[str, str], ...]:
    """Entries of a session's configuration, name and value, with which products of integers are exact here.

    Where the kernel does not tell what the processor has, exactness is asked for.
    """
    return () if VNNI & _flags(cpu_info) else (SLOWER_KERNEL,)


def _flags(cpu_info: Path) -> frozenset[str]:
    try:
        lines = cpu_info.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
