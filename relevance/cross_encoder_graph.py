"""What goes in and out of a cross-encoder's graph: n pairs, padded to L tokens."""

from __future__ import annotations

from typing import Final

INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
"""Each (n, L) int64, as `relevance.pair_encoding.PaddedBatch` names them."""
OUTPUT: Final = "logits"
"""(n, 1) float, in fp16 or fp32."""
