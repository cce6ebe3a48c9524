from __future__ import annotations

import torch

from tests.training.tiny import random_batches, tiny_cross_encoder
from training.optimise.scorers import forward


def test_the_head_is_not_rounded_to_half_precision() -> None:
    batch = random_batches(1)[0]
    model = tiny_cross_encoder()
    model.classifier.bias.data.fill_(4.0)
    logits = forward(model, batch).detach()
    assert not torch.equal(logits, logits.bfloat16().float())
