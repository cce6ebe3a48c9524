"""The device, and mixed precision where it has it."""

from __future__ import annotations

from functools import cache

import torch


def best_device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bf16 autocast on CUDA and on CPUs with bf16 arithmetic; elsewhere a context that does nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bf16(device))


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bf16 itself."""
    return device.type == "cuda" or _cpu_has_bf16()


@cache
def _cpu_has_bf16() -> bool:
    # Without the instructions, bf16 on a CPU is emulated and several times slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
