"""Cross-encoders of well-known shapes with random weights: what they score means nothing, how fast they are does."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from transformers import BertConfig, BertForSequenceClassification

ShapeName = Literal["minilm-l6", "bert-base"]
SHAPE_NAMES: tuple[ShapeName, ...] = get_args(ShapeName)

SHAPES: dict[ShapeName, dict[str, int]] = {
    "minilm-l6": {"layers": 6, "hidden": 384, "heads": 12, "intermediate": 1536},
    "bert-base": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072},
}


def untrained_cross_encoder(name: ShapeName) -> BertForSequenceClassification:
    """The model of that shape, on the CPU: the same weights each time, so that two processes can compare logits."""
    shape = SHAPES[name]
    torch.manual_seed(0)
    config = BertConfig(  # type: ignore[no-untyped-call]
        vocab_size=30522,
        hidden_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["intermediate"],
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        # Wider than for training: layers that hardly change their input would hide a wrong one.
        initializer_range=1.0 / shape["hidden"] ** 0.5,
        num_labels=1,
    )
    model = BertForSequenceClassification(config)  # type: ignore[no-untyped-call]
    torch.nn.init.normal_(model.classifier.weight, std=2.0 / shape["hidden"] ** 0.5)
    model.train(False)
    return model
