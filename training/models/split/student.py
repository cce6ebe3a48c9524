"""The split student: one encoder for queries and products, joint layers, a head with late-interaction features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer

from training.config import SplitSettings
from training.models.split.joint_layer import JointLayer, MatchConstants, ProductSide, QueryConstants, padding
from training.optimise.batches import Batch
from training.optimise.precision import mixed_precision
from training.optimise.scorers import Scorer

FEATURES = 3
"""Cosine, MaxSim, and the share of query tokens that occur in the product."""

FEATURE_SCALE = 8.0
"""Cosines differ by tenths where logits differ by several: a step of the head's weights has to reach that far."""

FEATURE_START = 0.5


class Products(NamedTuple):
    """n products: latents (n, L, D), mask (n, L) of what is no padding."""

    latents: Tensor
    mask: Tensor


class Queries(NamedTuple):
    """b queries, or one without the leading (b,): the joint layers' constants, latents (Lq, D), and their weights."""

    constants: QueryConstants
    latents: Tensor
    weights: Tensor  # (Lq,) 1 over the number of tokens that are neither special nor padding, else 0
    mask: Tensor  # (Lq,)
    pooled: Tensor  # (D,)


class Dots(NamedTuple):
    """A product's latents times all that a query and a match look for in them, by one matrix product."""

    reached: Tensor  # (n, A·Q, L)
    added: Tensor | None  # (n, A, L), or None where no row that attends is ever matched: [CLS] alone
    similar: Tensor  # (n, Lq, L) of query tokens' latents


@dataclass(frozen=True, slots=True)
class Pairs:
    """A padded batch of pairs taken apart: its distinct queries and products, and which pair has which.

    Both sides are `[CLS] text [SEP]`. `matches` (n, Lq) is 1 where a query token occurs in the product.
    """

    query_ids: Tensor
    query_mask: Tensor
    query_of: Tensor
    product_ids: Tensor
    product_mask: Tensor
    product_of: Tensor
    matches: Tensor


class SplitStudent(Scorer):
    """Scores pairs; the product side is a function of the product alone."""

    def __init__(self, encoder: BertModel, settings: SplitSettings, layers: Sequence[BertLayer] | None = None) -> None:
        """The joint layers start as `layers`; None: as the encoder's last ones. ValueError if these are too few."""
        super().__init__(encoder)
        hidden = encoder.config.hidden_size
        layers = layers or cast(list[BertLayer], list(encoder.encoder.layer[-settings.joint_layers :]))
        if len(layers) != settings.joint_layers:
            raise ValueError(f"{settings.joint_layers} joint layers cannot start as {len(layers)} layers")
        self.settings = settings
        self.keep: Callable[[Products], Products] = lambda products: products
        """What comes back of a product that was stored; docs/scripts/storage_formats.py tries other forms."""
        self.directions = nn.Linear(hidden, settings.latent_width, bias=False)
        self.joint = nn.ModuleList(JointLayer(layer, settings.latent_width, settings.joint_units) for layer in layers)
        self.match = nn.Parameter(torch.zeros(hidden), requires_grad=settings.match_vector)
        self.head = nn.Linear(hidden, 1)
        self.features = nn.Linear(FEATURES, 1, bias=False)
        # More alike is more relevant: with a random sign, hundreds of steps went into finding that out.
        nn.init.constant_(self.features.weight, FEATURE_START)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (n,) of a padded batch, all but the head in mixed precision."""
        pairs = take_apart(batch, self.device)
        with mixed_precision(self.device):
            state, features = self._read(pairs)
        return self.logits(state.float(), features.float())

    def score_exactly(self, batch: Batch) -> Tensor:
        """The same in fp32 throughout: what the exported graphs are compared with."""
        return self.logits(*self._read(take_apart(batch, self.device)))

    def features_of(self, batch: Batch) -> Tensor:
        """The late-interaction features (n, FEATURES) of a padded batch, in fp32."""
        return self._read(take_apart(batch, self.device))[1]

    @torch.no_grad()
    def start_head(self, weights: Tensor, bias: float) -> None:
        """Score by `weights` (FEATURES,) of the late-interaction features alone until more is learnt."""
        self.head.weight.zero_()
        self.head.bias.fill_(bias)
        self.features.weight.copy_(weights[None, :] / FEATURE_SCALE)

    def _read(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """What the head reads: the joint layers' state, and the late-interaction features."""
        queries = self.queries(pairs.query_ids, pairs.query_mask)
        products = self.keep(Products(self.latents(pairs.product_ids, pairs.product_mask), pairs.product_mask))
        chosen = Products(*(part[pairs.product_of] for part in products))
        of_pairs = Queries(
            QueryConstants(*(part[pairs.query_of] for part in queries.constants if part is not None)),
            *(part[pairs.query_of] for part in queries[1:]),
        )
        match = self.match_constants()
        # In fp32 always: bf16 would round cosines to a few hundred values.
        with torch.autocast(self.device.type, enabled=False):
            dots = self.dots(of_pairs, self.looked_for(of_pairs, match), chosen)
            features = late_interaction(of_pairs, pairs.matches, chosen, dots)
        return self.joined(of_pairs, match, dots, pairs.matches, chosen), features

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The encoder's hidden states (n, L, H)."""
        states: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def latents(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (n, L, D) of each token."""
        return normalize(self.directions(self.hidden(ids, mask)).float(), dim=-1)

    def match_constants(self) -> MatchConstants:
        """What a match adds in the first joint layer."""
        constants: MatchConstants = self._first.match_constants(self.match)
        return constants

    def queries(self, ids: Tensor, mask: Tensor) -> Queries:
        """All that is needed of b queries (b, Lq)."""
        return self.queries_from(self.hidden(ids, mask), mask, self.match_constants())

    def queries_from(self, hidden: Tensor, mask: Tensor, match: MatchConstants) -> Queries:
        """The same from their hidden states (b, Lq, H)."""
        latents = normalize(self.directions(hidden).float(), dim=-1)
        rows = 1 if self.cls_attends_alone else hidden.shape[1]
        constants = self._first.query_constants(hidden, mask, rows, match)
        content = _content(mask)
        weights = content / content.sum(1, keepdim=True).clamp(min=1.0)
        return Queries(constants, latents, weights, mask.float(), mean_latent(latents, mask))

    def looked_for(self, queries: Queries, match: MatchConstants) -> Tensor:
        """The vectors (R, D) that latents are multiplied by, of each query: `Dots`, one below the other."""
        reach = queries.constants.reach.float()
        if self.cls_attends_alone:
            return torch.cat([reach, queries.latents], dim=-2)
        of_match = match.reach.expand(*queries.latents.shape[:-2], -1, -1)
        return torch.cat([reach, of_match.float(), queries.latents], dim=-2)

    def dots(self, queries: Queries, looked_for: Tensor, products: Products) -> Dots:
        """Latents times `looked_for`."""
        # This way round it is one product of matrices where all products have the same query; it would be one for each.
        every = (products.latents @ looked_for.transpose(-1, -2)).transpose(-1, -2)
        heads = self._first.heads
        if self.cls_attends_alone:
            return Dots(every[:, :heads], None, every[:, heads:])
        end = heads * queries.constants.own.shape[-2]
        return Dots(every[:, :end], every[:, end : end + heads], every[:, end + heads :])

    def joined(
        self, queries: Queries, match: MatchConstants, dots: Dots, matches: Tensor, products: Products
    ) -> Tensor:
        """The last joint layer's state of [CLS] (n, H)."""
        product = ProductSide(products.latents, padding(products.mask, torch.float32), dots.reached, dots.added)
        state: Tensor = self._first.first(queries.constants, match, matches, product)
        for number, layer in enumerate(self.joint[1:], start=2):
            rows = 1 if number == len(self.joint) else state.shape[1]
            state = layer(state, queries.mask.expand(state.shape[0], -1), rows, product)
        return state[:, 0]

    def logits(self, state: Tensor, features: Tensor) -> Tensor:
        """Logits (n,) from the state of [CLS] (n, H) and the late-interaction features (n, FEATURES)."""
        # Without late interaction they count for nothing and are read all the same: all graphs have the same inputs.
        scale = FEATURE_SCALE if self.settings.late_interaction else 0.0
        logits: Tensor = self.head(state) + self.features(features * scale)
        return logits.squeeze(-1)

    def rate_of(self, parameter: str) -> float:
        """The encoder knows its language already; the joint layers learn a new task."""
        return 1.0 if parameter.startswith("model.") else self.settings.joint_rate

    @property
    def cls_attends_alone(self) -> bool:
        """In the first joint layer, if that is the only one: no token that attends is ever matched."""
        return len(self.joint) == 1

    @property
    def _first(self) -> JointLayer:
        first = self.joint[0]
        assert isinstance(first, JointLayer)
        return first


def late_interaction(queries: Queries, matches: Tensor, products: Products, dots: Dots) -> Tensor:
    """Cosine of the mean latents, MaxSim (ColBERT, section 3.2), and the share of matched tokens: (n, FEATURES)."""
    return late_features(queries, matches, (mean_latent(products.latents, products.mask), products.mask), dots)


def late_features(queries: Queries, matches: Tensor, products: tuple[Tensor, Tensor], dots: Dots) -> Tensor:
    """The same where the products' mean latents (n, D) are known; they come with the mask (n, L)."""
    pooled, mask = products
    cosine = (pooled * queries.pooled).sum(-1)
    best = (dots.similar - 2.0 * (1.0 - mask.float())[:, None, :]).amax(-1)
    # Side by side: one sum over the last axis would add in an order that depends on where a pair's row lies in memory.
    weighed = torch.stack([best, matches], dim=-1) * queries.weights[..., None]
    return torch.cat([cosine[..., None], weighed.sum(1)], dim=-1)


def mean_latent(latents: Tensor, mask: Tensor) -> Tensor:
    """The unit vector (n, D) of the mean over a text's tokens."""
    return normalize((latents * mask.float()[..., None]).sum(1), dim=-1)


def take_apart(batch: Batch, device: torch.device) -> Pairs:
    """The queries and products of a padded batch `[CLS] query [SEP] product [SEP]`."""
    ids, mask, kinds = (part.to(device) for part in (batch.input_ids, batch.attention_mask, batch.token_type_ids))
    query_lengths = (mask * (1 - kinds)).sum(1)
    query_ids, query_of, query_mask = _distinct(_part(ids, torch.zeros_like(query_lengths), query_lengths))
    # A product's own [CLS] takes the place of the query's [SEP] before it.
    shifted = ids.scatter(1, (query_lengths - 1)[:, None], ids[:, :1])
    lengths = mask.sum(1) - query_lengths + 1
    product_ids, product_of, product_mask = _distinct(_part(shifted, query_lengths - 1, lengths))
    same = query_ids[query_of][:, :, None] == product_ids[product_of][:, None, :]
    matched = (same & _content(product_mask)[product_of][:, None, :].bool()).any(-1)
    matches = matched.float() * _content(query_mask)[query_of]
    return Pairs(query_ids, query_mask, query_of, product_ids, product_mask, product_of, matches)


def _part(ids: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Of each row `lengths` ids from `starts` on; −1 behind them."""
    places = torch.arange(int(lengths.max()), device=ids.device)[None, :]
    taken = ids.gather(1, (starts[:, None] + places).clamp(max=ids.shape[1] - 1))
    return torch.where(places < lengths[:, None], taken, torch.full_like(taken, -1))


def _distinct(ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The distinct rows of `ids` with 0 for padding, the number of each original row in them, and their mask."""
    rows, number_of = torch.unique(ids, dim=0, return_inverse=True)
    mask = (rows >= 0).long()
    return rows.clamp(min=0), number_of, mask


def _content(mask: Tensor) -> Tensor:
    """1 for a text's own tokens, 0 for [CLS], [SEP] and padding; (n, L) floats."""
    places = torch.arange(mask.shape[1], device=mask.device)
    inside = (places[None, :] > 0) & (places[None, :] < mask.sum(1, keepdim=True) - 1)
    return inside.float()
