"""The split student as the three graphs that serving runs, made of its own modules.

encoder   ids, mask (n, L)                  → hidden (n, L, H), and of a product the latents (n, L, D) in int8
query     hidden (1, Lq, H) of one query    → the constants of a request
joint     those, and n products' latents    → logits (n,)
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from relevance.split_graphs import LATENT_STEPS, QUERY_CONSTANTS
from training.models.split.joint_layer import JointLayer, MatchConstants, QueryConstants
from training.models.split.student import Products, Queries, SplitStudent, late_features


class EncoderGraph(nn.Module):
    """Encodes either side alone. `scale` (D,) is the largest size of each latent number."""

    def __init__(self, student: SplitStudent, scale: Tensor) -> None:
        super().__init__()
        self.student = student
        self.register_buffer("scale", scale)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.student.hidden(input_ids, attention_mask)
        latents = normalize(self.student.directions(hidden), dim=-1)
        steps = (latents / self.get_buffer("scale") * LATENT_STEPS).round().clamp(-LATENT_STEPS, LATENT_STEPS)
        return hidden, steps.to(torch.int8)


class _OfSteps(nn.Module):
    """A part of the student that reads latents as they are stored, in steps: `step` (D,) is one in each number.

    Its projections of latents take them in, so that no product's latents are ever multiplied by them. What a match adds
    is constant, too: computed once, before the export.
    """

    def __init__(self, student: SplitStudent, scale: Tensor) -> None:
        super().__init__()
        self.student = student = copy.deepcopy(student)
        self.register_buffer("step", scale / LATENT_STEPS)
        with torch.no_grad():
            for layer in cast(list[JointLayer], list(student.joint)):
                layer.product_key.weight.mul_(self.get_buffer("step"))
                layer.product_value.weight.mul_(self.get_buffer("step"))
        with torch.no_grad():
            for name, value in student.match_constants()._asdict().items():
                self.register_buffer(f"match_{name}", value.clone())

    @property
    def match(self) -> MatchConstants:
        """As of `SplitStudent.match_constants`."""
        return MatchConstants(*(self.get_buffer(f"match_{name}") for name in MatchConstants._fields))


class QueryGraph(_OfSteps):
    """What is constant in a request, from its query's hidden states; the order is that of `query_constants`."""

    def forward(self, hidden: Tensor) -> tuple[Tensor, ...]:
        mask = torch.ones_like(hidden[..., 0])
        queries = self.student.queries_from(hidden, mask, self.match)
        looked_for = self.student.looked_for(
            queries._replace(latents=queries.latents * self.get_buffer("step")), self.match
        )
        *shared, own_row_matched = queries.constants._replace(reach=looked_for)
        assert own_row_matched is not None
        last = () if self.student.cls_attends_alone else (own_row_matched,)
        return tuple(part[0] for part in (*shared, queries.weights, queries.pooled, *last))


class JointGraph(_OfSteps):
    """Scores n products for one query; inputs in the order of `query_constants` and `PRODUCT_INPUTS`."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (n,)."""
        *of_query, query_ids, latents, product_ids, lengths = inputs
        *shared, weights, pooled = of_query[: len(QUERY_CONSTANTS)]
        of_layer: list[Tensor | None] = [*shared, *(of_query[len(QUERY_CONSTANTS) :] or (None,))]
        constants, mask = QueryConstants(*of_layer), torch.ones_like(weights)  # type: ignore[arg-type]
        # Its own latents are among what it looks for, and read nowhere else.
        queries = Queries(constants, constants.reach, weights, mask, pooled)
        places = torch.arange(latents.shape[1], device=latents.device)
        products = Products(latents.float(), (places[None, :] < lengths[:, None]).float())
        matches = (query_ids[None, :, None] == product_ids[:, None, :]).float().amax(-1)
        dots = self.student.dots(queries, constants.reach, products)
        state = self.student.joined(queries, self.match, dots, matches, products)
        # Padding is stored as zeros, so the sum is that of a product's own tokens.
        total = products.latents.sum(1) * self.get_buffer("step")
        mean = total / (total * total).sum(-1, keepdim=True).sqrt()
        return self.student.logits(state, late_features(queries, matches, (mean, products.mask), dots))


@torch.inference_mode()
def latent_scale(student: SplitStudent, products: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The largest size (D,) that each latent number has among these batches of (ids, mask)."""
    largest = torch.full((student.settings.latent_width,), 1e-6, device=student.device)
    for ids, mask in products:
        latents = student.latents(ids, mask) * mask[..., None]
        largest = torch.maximum(largest, latents.abs().amax((0, 1)))
    return largest.clone()
