"""What is added to the attention scores of padding, in all models that are trained or exported here."""

from __future__ import annotations

from typing import Final

PADDING_SCORE: Final = -60.0
"""Low enough: beside a weight of 1, one of e⁻⁶⁰ is lost to the last bit. And no lower: what lies 88 below the largest
score is a subnormal number to ONNX Runtime's softmax, and an Intel processor stops for a hundred cycles at each."""
