"""How ONNX Runtime has to multiply integers, so that an int8 graph gives one machine's logits on every machine."""

from __future__ import annotations

from typing import Final

EXACT_PRODUCTS: Final = ("session.x64quantprecision", "1")
"""An entry of the session's configuration.

x86 processors without VNNI add two products of 8 bits in 16: with weights over 64 that saturates, and a split student's
ranking is lost (docs/serving.md). With this entry ONNX Runtime takes a slower kernel there for such graphs. Graphs
exported since then keep their weights within 64 and need it not.
"""
