"""The split student before it learns.

It starts from a sentence encoder: there query tokens and product tokens lie in one space already. The joint layers
start as that encoder's last ones, and the latents as its hidden states seen
along their main directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer

from relevance.pair_encoding import EncodedText, PairEncoder, pad_texts
from training.config import SplitSettings
from training.models.backbone import backbone_directory, placed
from training.models.split.joint_layer import JointLayer
from training.models.split.student import SplitStudent

SAMPLE = 1024
"""Products whose hidden states show the main directions."""

PRODUCTS_AT_ONCE = 64


def sentence_encoder(backbone: str | None) -> BertModel:
    """The packaged sentence encoder, or another BERT; without dropout, as the cross-encoders (backbone.py)."""
    model: BertModel = BertModel.from_pretrained(
        backbone or backbone_directory(),
        add_pooling_layer=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return placed(model)


def initial_split(
    encoder: BertModel, settings: SplitSettings, texts: Sequence[EncodedText], rule: PairEncoder
) -> SplitStudent:
    """The student on top of `encoder`; `texts` are products as it will see them."""
    last = cast(list[BertLayer], list(encoder.encoder.layer[-settings.joint_layers :]))
    _keep_layers(encoder, settings.encoder_layers)
    student = placed(SplitStudent(encoder, settings, last))
    states = _hidden_states(student, texts[: min(SAMPLE, len(texts))], rule)
    directions = principal_directions(states, settings.latent_width)
    with torch.no_grad():
        student.directions.weight.copy_(directions)
        gain = (states @ directions.T).norm(dim=-1).mean()
    for layer in student.joint:
        if settings.joint_start == "random":
            layer.apply(_reset)
        cast(JointLayer, layer).read_latents_as(gain * directions)
    return student


def _keep_layers(encoder: BertModel, kept: Sequence[int] | None) -> None:
    """Leave the encoder only these layers, in place; None: all."""
    if kept is None:
        return
    encoder.encoder.layer = nn.ModuleList([encoder.encoder.layer[number] for number in kept])
    encoder.config.num_hidden_layers = len(kept)


def principal_directions(states: Tensor, width: int) -> Tensor:
    """The orthonormal directions (width, H) that keep most of the states (m, H), seen from zero, not their mean:
    so inner products are kept, too."""
    values, vectors = torch.linalg.eigh(states.T @ states)
    order = values.argsort(descending=True)
    main = vectors[:, order[:width]].T
    if width > main.shape[0]:
        # More numbers than the encoder has: the further ones start at zero, and may be learnt.
        main = torch.cat([main, torch.zeros(width - main.shape[0], main.shape[1], device=main.device)])
    directions: Tensor = main.contiguous()
    return directions


@torch.inference_mode()
def _hidden_states(student: SplitStudent, texts: Sequence[EncodedText], rule: PairEncoder) -> Tensor:
    """Hidden states (tokens of all texts, H)."""
    states = []
    ordered = sorted((rule.alone(text) for text in texts), key=len)
    for start in range(0, len(ordered), PRODUCTS_AT_ONCE):
        padded = pad_texts(ordered[start : start + PRODUCTS_AT_ONCE], rule.pad_id)
        ids, mask = (torch.from_numpy(part).to(student.device) for part in padded)
        states.append(student.hidden(ids, mask)[mask.bool()].float())
    return torch.cat(states).clone()


def _reset(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
