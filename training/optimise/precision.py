"""The device, and mixed precision where it has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode


def best_device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bf16 autocast on CUDA and on CPUs with bf16 arithmetic; elsewhere a context that does nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bf16(device))


@contextmanager
def mixed_precision(device: torch.device) -> Iterator[None]:
    """`autocast`, and attention in fp32 where a CPU is to differentiate it.

    Not for layers that are computed again for their gradient (gradient checkpointing), which happens outside of it.
    """
    with autocast(device):
        if device.type == "cpu" and has_bf16(device) and torch.is_grad_enabled():
            with _AttentionInFp32():
                yield
        else:
            yield


class _AttentionInFp32(TorchFunctionMode):
    """torch's attention kernel for CPUs takes five to ten times as long for its gradient in bf16 as in fp32.

    That was half of a training step (docs/distillation.md, docs/scripts/attention_gradient.py).
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        # As autocast does, fp64 is left alone.
        if func is not scaled_dot_product_attention or (args[0] if args else named["query"]).dtype == torch.float64:
            return func(*args, **named)
        with torch.autocast("cpu", enabled=False):
            given = func(*map(_in_fp32, args), **{name: _in_fp32(value) for name, value in named.items()})
        return given.to(torch.bfloat16)


def _in_fp32(value: Any) -> Any:
    """A tensor of numbers in fp32; a mask of truth values, and what is no tensor, as it is."""
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bf16 itself."""
    return device.type == "cuda" or _cpu_has_bf16()


@cache
def _cpu_has_bf16() -> bool:
    # Without the instructions, bf16 on a CPU is emulated and several times slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
