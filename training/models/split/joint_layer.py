"""A joint layer: query tokens attend to the query's tokens and to the product's latents.

Latents are the same for all joint layers, D numbers a token. Keys and values are linear in them, so they are
never made: a query's heads are carried over to the latents' space instead (A · D numbers a row), and values are
made of the attended mean of the latents. (Multi-head latent attention, DeepSeek-V2, section 2.1, with both
projections absorbed.)

In the first layer a query token is its hidden state h, plus one learned vector e where it occurs in the product
(its match m is 1). All that depends on h and e alone is a constant of the request: `QueryConstants`.

A pair's result must not depend on the pairs beside it, to the last bit: one that int8 then rounds the other way is a
thousandth of a logit. So nothing is summed over the product's padded tokens but in a product of matrices, which adds
zeros last: a weight's share of the product's value bias is taken from the query's tokens, as all weights sum to one.

Shapes: n pairs, b queries, A heads of d = H / A, Lq query tokens, of them the first Q are rows, L product tokens.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers.models.bert.modeling_bert import BertLayer

from relevance.padding import PADDING_SCORE


class QueryConstants(NamedTuple):
    """What the first joint layer needs of a query; each has a leading (b,), or none where there is one query."""

    rows: Tensor  # (Q, H) hidden states
    reach: Tensor  # (A·Q, D) what latents are multiplied by to give scores
    own: Tensor  # (A, Q, Lq) scores among query tokens, less what all product tokens have; very low at padding
    own_column_matched: Tensor  # (A, Q) added where the column is
    values: Tensor  # (A, Lq + 2, d) less the product's value bias; then a match's value, then that bias
    own_row_matched: Tensor | None  # (A, Lq) added where the row is matched; may be None where [CLS] alone attends


class MatchConstants(NamedTuple):
    """What a match adds in the first joint layer, whatever the query."""

    row: Tensor  # (H,) the learned vector
    query: Tensor  # (A, d) its query, scaled
    key: Tensor  # (A, d)
    value: Tensor  # (A, d)
    reach: Tensor  # (A, D)
    reach_bias: Tensor  # (A,)


class ProductSide(NamedTuple):
    """What a joint layer reads of n products; the first one has its products of latents made, with all other such."""

    latents: Tensor  # (n, L, D)
    absent: Tensor  # (n, L) added to scores: `padding`
    reached: Tensor  # (n, A·Q, L) latents times `QueryConstants.reach`
    added: Tensor | None  # (n, A, L) latents times `MatchConstants.reach`; None: [CLS] alone attends, no row is matched


class JointLayer(nn.Module):
    """One layer, with a BERT layer's parts and two projections of the latents."""

    def __init__(self, layer: BertLayer, width: int, units: int | None = None) -> None:
        """Takes the layer's weights, copied; the latents' projections are `width` → H and still random.

        `units`: how many of the feed-forward part's it keeps, those that can move the result most; None: all.
        """
        super().__init__()
        attention = layer.attention.self
        hidden = attention.all_head_size
        self.heads, self.head_size = attention.num_attention_heads, attention.attention_head_size
        self.query, self.key, self.value = (
            copy.deepcopy(part) for part in (attention.query, attention.key, attention.value)
        )
        self.product_key = nn.Linear(width, hidden)
        self.product_value = nn.Linear(width, hidden)
        self.attention_output = copy.deepcopy(layer.attention.output)
        self.intermediate = copy.deepcopy(layer.intermediate)
        self.output = copy.deepcopy(layer.output)
        if units is not None:
            self._keep_units(units)

    @torch.no_grad()
    def read_latents_as(self, directions: Tensor) -> None:
        """Let a latent z stand for the hidden state `z @ directions`, directions (D, H): keys and values as of that."""
        for own, product in ((self.key, self.product_key), (self.value, self.product_value)):
            product.weight.copy_(own.weight @ directions.T)
            product.bias.copy_(own.bias)

    def match_constants(self, vector: Tensor) -> MatchConstants:
        """What the learned vector (H,) of a match adds."""
        query, key, value = (
            unflatten(linear(vector, part.weight), 0, (self.heads, self.head_size))
            for part in (self.query, self.key, self.value)
        )
        query = query * self._scale
        reach = torch.einsum("ad,adw->aw", query, self._key_of_latent)
        return MatchConstants(vector, query, key, value, reach, (query * self._key_bias).sum(-1))

    def query_constants(self, hidden: Tensor, mask: Tensor, rows: int, match: MatchConstants) -> QueryConstants:
        """Of b queries with hidden states (b, Lq, H) and mask (b, Lq), of which the first `rows` attend."""
        query = self._split(self.query(hidden[:, :rows])) * self._scale
        key, value = self._split(self.key(hidden)), self._split(self.value(hidden))
        bias = torch.einsum("baqd,ad->baq", query, self._key_bias)
        others = torch.stack([match.value, self._value_bias], dim=1).to(value.dtype).expand(len(hidden), -1, -1, -1)
        return QueryConstants(
            rows=hidden[:, :rows],
            reach=torch.einsum("baqd,adw->baqw", query, self._key_of_latent).flatten(1, 2),
            # A softmax does not see what all its scores have in common: the bias of product tokens is taken from these.
            own=query @ key.transpose(-1, -2) + padding(mask, query.dtype)[:, None, None, :] - bias[..., None],
            own_column_matched=torch.einsum("baqd,ad->baq", query, match.key),
            values=torch.cat([value - self._value_bias[:, None, :], others], dim=2),
            own_row_matched=torch.einsum("ad,bald->bal", match.query, key),
        )

    def first(self, constants: QueryConstants, match: MatchConstants, matches: Tensor, product: ProductSide) -> Tensor:
        """Rows (n, Q, H) of the first joint layer; `matches` (n, Lq) is 0 or 1."""
        rows, alone = constants.rows.shape[-2], product.added is None
        columns = matches[:, None, None, :]
        scores = apart(product.reached, self.heads, alone)
        own = constants.own + columns * constants.own_column_matched[..., None]
        hidden = constants.rows
        if product.added is not None:
            assert constants.own_row_matched is not None
            row_matches = matches[:, None, :rows, None]
            scores = scores + row_matches * (product.added[:, :, None, :] + match.reach_bias[:, None, None])
            both = columns * (match.query * match.key).sum(-1)[:, None, None]
            own = own + row_matches * (constants.own_row_matched[..., None, :] + both)
            hidden = hidden + matches[:, :rows, None] * match.row
        weights, mixed = self._attend((own, scores), product, alone)
        # Of one shape for every pair, however many there are.
        matched = apart(stacked(weights, alone) @ matches.to(weights.dtype)[..., None], self.heads, alone)
        weights = torch.cat([weights, matched, torch.ones_like(matched)], dim=-1)
        return self._finish(hidden, mixed + per_head(weights, constants.values, alone), alone)

    def forward(self, hidden: Tensor, mask: Tensor, rows: int, product: ProductSide) -> Tensor:
        """Rows (n, Q, H) of a later joint layer from all query tokens' hidden states (n, Lq, H) of each pair."""
        query = self._split(self.query(hidden[:, :rows])) * self._scale
        key, value = self._split(self.key(hidden)), self._split(self.value(hidden))
        own = query @ key.transpose(-1, -2) + padding(mask, query.dtype)[:, None, None, :]
        alone = rows == 1
        reach = per_head(query, self._key_of_latent, alone)
        scores = (
            reach @ product.latents[:, None].transpose(-1, -2) + (query * self._key_bias[:, None, :]).sum(-1)[..., None]
        )
        weights, mixed = self._attend((own, scores), product, alone)
        mixed = mixed + per_head(weights, value - self._value_bias[:, None, :], alone)
        return self._finish(hidden[:, :rows], mixed + self._value_bias[:, None, :], alone)

    def _attend(self, both: tuple[Tensor, Tensor], product: ProductSide, alone: bool) -> tuple[Tensor, Tensor]:
        """Weights of the query's tokens (n, A, Q, Lq), and what comes from the product (n, A, Q, d).

        `both`: scores of the query's tokens and of the product's. The product's value bias, which the result is to have
        in full, is still to be added; what the query's tokens give is less it.
        """
        own, scores = both
        latents, length = product.latents, scores.shape[-1]
        weights = torch.cat([own, scores + product.absent[:, None, None, :]], dim=-1).float().softmax(-1)
        own_weights, product_weights = weights[..., :-length], weights[..., -length:]
        means = apart(stacked(product_weights, alone).to(latents.dtype) @ latents, self.heads, alone)
        value = per_head(means, unflatten(self.product_value.weight, 0, (self.heads, -1)).transpose(-1, -2), alone)
        return own_weights, value

    def _finish(self, rows: Tensor, mixed: Tensor, alone: bool) -> Tensor:
        """The layer's two residual blocks: `mixed` (n, A, Q, d) is the attention's result."""
        together = mixed.reshape(-1, 1, self.heads * self.head_size) if alone else mixed.transpose(1, 2).flatten(2)
        attended = self.attention_output(together.to(rows.dtype), rows)
        finished: Tensor = self.output(self.intermediate(attended), attended)
        return finished

    @torch.no_grad()
    def _keep_units(self, count: int) -> None:
        """Leave the feed-forward part the `count` units of the largest weights in and out, in place."""
        up, down = self.intermediate.dense, self.output.dense
        kept = (up.weight.norm(dim=1) * down.weight.norm(dim=0)).topk(count).indices.sort().values
        up.weight, up.bias = nn.Parameter(up.weight[kept]), nn.Parameter(up.bias[kept])
        down.weight = nn.Parameter(down.weight[:, kept].contiguous())
        up.out_features = down.in_features = count

    def _split(self, states: Tensor) -> Tensor:
        """(b, L, H) as heads: (b, A, L, d)."""
        return unflatten(states, -1, (self.heads, self.head_size)).transpose(1, 2)

    @property
    def _scale(self) -> float:
        return float(self.head_size**-0.5)

    @property
    def _key_of_latent(self) -> Tensor:
        """(A, d, D)"""
        return unflatten(self.product_key.weight, 0, (self.heads, -1))

    @property
    def _key_bias(self) -> Tensor:
        """(A, d)"""
        return unflatten(self.product_key.bias, 0, (self.heads, -1))

    @property
    def _value_bias(self) -> Tensor:
        """(A, d)"""
        return unflatten(self.product_value.bias, 0, (self.heads, -1))


def per_head(states: Tensor, weights: Tensor, alone: bool = False) -> Tensor:
    """Multiply (n, A, Q, K) by (A, K, N), the same for every pair, or (n, A, K, N): (n, A, Q, N)."""
    if weights.dim() == states.dim():
        return states.to(weights.dtype) @ weights
    if alone:
        return (states[:, :, 0].transpose(0, 1).to(weights.dtype) @ weights).transpose(0, 1)[:, :, None]
    heads, rows = states.shape[1:3]
    # One product a head, not one a head and pair: each would have a single row.
    together = states.transpose(0, 1).reshape(heads, -1, states.shape[-1])
    return unflatten(together.to(weights.dtype) @ weights, 1, (-1, rows)).transpose(0, 1)


def apart(together: Tensor, heads: int, alone: bool) -> Tensor:
    """(n, A · Q, K) as (n, A, Q, K). `alone`: Q is 1, which an exported graph then need not work out from shapes."""
    return together[:, :, None] if alone else unflatten(together, 1, (heads, -1))


def stacked(states: Tensor, alone: bool) -> Tensor:
    """(n, A, Q, K) as (n, A · Q, K)."""
    return states[:, :, 0] if alone else states.flatten(1, 2)


def padding(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to attention scores: 0 where `mask` is 1, very low where it is 0."""
    return (1.0 - mask.to(dtype)) * PADDING_SCORE


def unflatten(tensor: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """One axis as several. As a reshape, in which an exported graph keeps sizes that vary."""
    at = dim % tensor.dim()
    return tensor.reshape(*tensor.shape[:at], *sizes, *tensor.shape[at + 1 :])
