from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForSequenceClassification

from tests.training.tiny import random_batches, tiny_cross_encoder, tiny_pool
from tests.training.tiny_models import encoder_backbone
from training.config import STUDENT_TEMPLATE, SplitSettings
from training.models.backbone import load_pair_encoder
from training.models.split.start import initial_split
from training.optimise import precision, scorers
from training.optimise.precision import mixed_precision
from training.optimise.scorers import CrossEncoder, EncoderScorer, forward

CPU = torch.device("cpu")


@pytest.fixture
def has_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that computes in bf16; others emulate it, which is the same but for the time."""
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)


def kept_for_the_gradient(run: Callable[[], Tensor]) -> tuple[Tensor, set[torch.dtype]]:
    """What `run` gives, and the types of what is kept for its gradient."""
    seen: set[torch.dtype] = set()

    def pack(tensor: Tensor) -> Tensor:
        seen.add(tensor.dtype)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        return run(), seen


def attention(mask: Tensor | None = None) -> Tensor:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 2, 5, 8, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    attended: Tensor = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended


@pytest.mark.usefixtures("has_bf16")
@pytest.mark.parametrize(
    "mask",
    [None, torch.ones(2, 1, 5, 5, dtype=torch.bool), torch.zeros(2, 1, 5, 5), torch.zeros(2, 1, 5, 5).bfloat16()],
)
def test_attention_is_differentiated_in_fp32_and_goes_on_in_bf16(mask: Tensor | None) -> None:
    with mixed_precision(CPU):
        attended, kept = kept_for_the_gradient(lambda: attention(mask))
    assert attended.dtype == torch.bfloat16
    assert torch.bfloat16 not in kept
    assert torch.float32 in kept
    # Without it, it is bf16 that is kept: what makes the gradient slow.
    with precision.autocast(CPU):
        assert torch.bfloat16 in kept_for_the_gradient(attention)[1]


@pytest.mark.usefixtures("has_bf16")
@pytest.mark.parametrize("given", ["positions", "names"])
def test_fp64_is_left_alone(given: str) -> None:
    query, key, value = (torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    with mixed_precision(CPU):
        attended = (
            scaled_dot_product_attention(query, key, value)
            if given == "positions"
            else scaled_dot_product_attention(query=query, key=key, value=value)
        )
    assert attended.dtype == torch.float64


@pytest.mark.usefixtures("has_bf16")
def test_without_a_gradient_attention_stays_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(precision, "_AttentionInFp32")
    with torch.no_grad(), mixed_precision(CPU):
        assert attention().dtype == torch.bfloat16


def model_of(kind: str, folder: Path) -> CrossEncoder:
    if kind == "split":
        rule = load_pair_encoder(STUDENT_TEMPLATE)
        settings = SplitSettings(latent_width=16)
        return initial_split(tiny_cross_encoder().bert, settings, rule.encode_products(tiny_pool().products), rule)
    if kind == "cross-encoder":
        return tiny_cross_encoder()
    config = AutoConfig.from_pretrained(encoder_backbone(folder, "modernbert"), vocab_size=2000)
    return EncoderScorer(AutoModelForSequenceClassification.from_config(config))


# transformers' ModernBERT compiles with torch.jit, which torch says goodbye to.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.usefixtures("has_bf16")
@pytest.mark.parametrize("kind", ["cross-encoder", "split", "another encoder"])
def test_every_kind_of_encoder_is_trained_that_way(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, converted = model_of(kind, tmp_path), set()
    plain = precision._in_fp32

    def noted(value: object) -> object:
        if isinstance(value, Tensor):
            converted.add(value.dtype)
        return plain(value)

    monkeypatch.setattr(precision, "_in_fp32", noted)
    forward(model, random_batches(1)[0])
    assert torch.bfloat16 in converted


def test_without_bf16_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)
    with mixed_precision(CPU):
        assert (torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.usefixtures("has_bf16")
def test_the_gradient_is_that_of_fp32_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    (batch,) = random_batches(1)

    def gradient() -> Tensor:
        model = tiny_cross_encoder()
        forward(model, batch).square().sum().backward()  # type: ignore[no-untyped-call]
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    mixed = gradient()
    monkeypatch.setattr(scorers, "mixed_precision", lambda device: nullcontext())
    exact = gradient()
    assert 0 < (mixed - exact).norm() / exact.norm() < 0.03
