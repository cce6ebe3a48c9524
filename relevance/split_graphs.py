"""What the three graphs of a split student are called, and what goes in and out of each.

encoder   either side alone: `[CLS] text [SEP]` → hidden states, and latents as a product record keeps them
query     a query's hidden states → the constants of a request
joint     the constants of one request, and the records of n products → n logits

Shapes: n texts or pairs, L product tokens, Lq query tokens, H hidden numbers, D latent numbers a token, A heads of
d = H / A numbers, Q the query tokens that attend in the first joint layer: 1 where it is the only one, else Lq.
"""

from __future__ import annotations

from typing import Final

LATENT_STEPS: Final = 127
"""A latent number of the largest size is stored as this."""

ENCODER_INPUTS: Final = ("input_ids", "attention_mask")
ENCODER_OUTPUTS: Final = ("hidden", "latents")

QUERY_INPUTS: Final = ("hidden",)
QUERY_CONSTANTS: Final = (
    "rows",  # (Q, H) float
    "reach",  # (A·Q + A + Lq, D) what latents are multiplied by: for rows' scores, for a match's, for similarity
    "reach_bias",  # (A, Q)
    "own",  # (A, Q, Lq)
    "own_row_matched",  # (A, Lq)
    "own_column_matched",  # (A, Q)
    "own_values",  # (A, Lq, d)
    "query_weights",  # (Lq,)
    "query_pooled",  # (D,)
)
"""Outputs of `query` and inputs of `joint`."""

JOINT_INPUTS: Final = (
    *QUERY_CONSTANTS,
    "query_ids",  # (Lq,) int64, NO_QUERY_TOKEN for the special ones
    "product_latents",  # (n, L, D) int8
    "product_ids",  # (n, L) int64, NO_PRODUCT_TOKEN for special ones and padding
    "product_lengths",  # (n,) int64
)
JOINT_OUTPUT: Final = "logits"

NO_QUERY_TOKEN: Final = -1
NO_PRODUCT_TOKEN: Final = -2
"""Differ, so that nothing that is no text ever matches."""
