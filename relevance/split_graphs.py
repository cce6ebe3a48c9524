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
    # A·Q vectors for the rows' scores, A for a match's where Q is not 1 ([CLS] never is one), Lq for similarity.
    "reach",  # (…, D) what latents are multiplied by
    "own",  # (A, Q, Lq)
    "own_column_matched",  # (A, Q)
    "own_values",  # (A, Lq + 2, d)
    "query_weights",  # (Lq,)
    "query_pooled",  # (D,)
)
"""Outputs of `query` and inputs of `joint`, whatever the number of joint layers."""
OWN_ROW_MATCHED: Final = "own_row_matched"
"""(A, Lq), one more of them where there are several joint layers."""

PRODUCT_INPUTS: Final = (
    "query_ids",  # (Lq,) int64, NO_QUERY_TOKEN for the special ones
    "product_latents",  # (n, L, D) int8
    "product_ids",  # (n, L) int64, NO_PRODUCT_TOKEN for special ones and padding
    "product_lengths",  # (n,) int64
)
"""Inputs of `joint` beside the constants."""
JOINT_OUTPUT: Final = "logits"

NO_QUERY_TOKEN: Final = -1
NO_PRODUCT_TOKEN: Final = -2
"""Differ, so that nothing that is no text ever matches."""


def query_constants(joint_layers: int) -> tuple[str, ...]:
    """Outputs of `query`, which a graph names itself: those of an older bundle may be others."""
    return (*QUERY_CONSTANTS, OWN_ROW_MATCHED) if joint_layers > 1 else QUERY_CONSTANTS
