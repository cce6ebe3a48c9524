"""Models that give logits for a batch of pairs, behind one call, whatever their architecture.

A `BertForSequenceClassification` (the packaged teacher and every student) is scored by `forward` directly;
all other kinds are wrapped in a `Scorer`. In each the backbone runs in mixed precision and the
head in fp32: a head in bf16 rounds logits to some hundred values, which ties products that differ.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertPooler

from relevance.cross_encoder_graph import INPUTS
from training.optimise.batches import Batch
from training.optimise.precision import autocast, mixed_precision


class Scorer(nn.Module):
    """Gives logits (n,), or (n, K) with K classes, in fp32."""

    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Logits of a padded batch."""

    def rate_of(self, parameter: str) -> float:
        """Learning rate of the parameter of that name, in units of the training's."""
        del parameter
        return 1.0

    def trainable_state(self) -> dict[str, Tensor]:
        """The weights that training changes: of a language model with adapters, a hundredth of all."""
        return {name: weights for name, weights in self.named_parameters() if weights.requires_grad}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up weights that `trainable_state` gave; they must be of the same model."""
        wanted = self.trainable_state().keys()
        if wanted != state.keys():
            raise ValueError(f"weights for {len(state)} parameters, but {len(wanted)} are trained: another model's")
        self.load_state_dict(dict(state), strict=False)


CrossEncoder = BertForSequenceClassification | Scorer
"""What the trainer trains and what pairs are scored with."""


class EncoderScorer(Scorer):
    """Any encoder with the library's own classification head."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        backbone = model.base_model
        self._inputs = [name for name in INPUTS if name in inspect.signature(backbone.forward).parameters]
        # An instance's attribute, as accelerate does it: the head outside stays in fp32 for every architecture.
        backbone.forward = _mixed_precision(backbone.forward, lambda: self.device)

    def forward(self, batch: Batch) -> Tensor:
        inputs = {name: getattr(batch, name).to(self.device) for name in self._inputs}
        logits: Tensor = self.model(**inputs).logits
        return logits.squeeze(-1)


class DecoderScorer(Scorer):
    """A causal language model with a linear score head on the last token that is no padding.

    The library's own pooling looks for the last token that is not the pad token, which goes wrong where
    the pad token is the end token too; the attention mask always knows.
    """

    def forward(self, batch: Batch) -> Tensor:
        inner = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        mask = batch.attention_mask.to(self.device)
        with autocast(self.device):
            hidden = inner.base_model(
                input_ids=batch.input_ids.to(self.device),
                attention_mask=mask,
                # Counted from a pair's first token, so that padding on the left moves nothing.
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                use_cache=False,
            ).last_hidden_state
        places = torch.arange(mask.shape[1], device=self.device)
        last = (places * mask).argmax(1)
        rows = torch.arange(len(mask), device=self.device)
        logits: Tensor = inner.score(hidden[rows, last].float())
        return logits.squeeze(-1)


def forward(model: CrossEncoder, batch: Batch) -> Tensor:
    """Logits (n,), or (n, K) with K classes, in fp32: the encoder runs in mixed precision, the head does not.

    A head in bf16 rounds logits to some hundred values, which ties products that differ.
    """
    if isinstance(model, Scorer):
        scored: Tensor = model(batch)
        return scored
    logits: Tensor = model.classifier(model.dropout(cls_vectors(model, batch))).squeeze(-1)
    return logits


def cls_vectors(model: BertForSequenceClassification, batch: Batch) -> Tensor:
    """What the head of a BERT reads: its pooled [CLS] vectors (n, width) in fp32."""
    with mixed_precision(model.device):
        output = model.bert(**{name: getattr(batch, name).to(model.device) for name in INPUTS})
    pooled: Tensor = cast(BertPooler, model.bert.pooler)(output.last_hidden_state.float())
    return pooled


def _mixed_precision(forward: Callable[..., Any], device: Callable[[], torch.device]) -> Callable[..., Any]:
    """The backbone's forward in mixed precision with its hidden states given out in fp32."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with mixed_precision(device()):
            output = forward(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state.float()
        return output

    return wrapped
