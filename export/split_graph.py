"""Export of a split student's three graphs (relevance/split_graphs.py), which come as torch modules."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.graph import OPSET, Heads, fuse, quiet
from relevance.bundle import SplitPart
from relevance.split_graphs import (
    ENCODER_INPUTS,
    ENCODER_OUTPUTS,
    JOINT_OUTPUT,
    OWN_ROW_MATCHED,
    PRODUCT_INPUTS,
    QUERY_INPUTS,
    query_constants,
)

Axes = dict[str, dict[int, str]]


@dataclass(frozen=True, slots=True)
class SplitModules:
    """The three graphs as modules on the CPU, in fp32, with the encoder's attention heads and hidden size."""

    encoder: nn.Module
    query: nn.Module
    joint: nn.Module
    heads: Heads
    joint_layers: int
    latent_width: int


def export_part(modules: SplitModules, part: SplitPart, target: Path, longest: int) -> None:
    """Export one part in fp32, the encoder fused. Texts have at most `longest` tokens: further positions are cut."""
    names, axes = _interface(modules.joint_layers)[part]
    with tempfile.TemporaryDirectory() as scratch, quiet(), torch.no_grad():
        raw = Path(scratch) / "raw.onnx"
        module: nn.Module = getattr(modules, part)
        torch.onnx.export(
            module.eval(),
            _example(modules)[part],
            str(raw),
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        if part == "encoder":
            _cut_positions(raw, longest)
            fuse(raw, target, modules.heads)
        else:
            onnx.save(onnx.load(str(raw)), str(target))


def _example(modules: SplitModules) -> Mapping[SplitPart, tuple[Tensor, ...]]:
    """Inputs to trace with: a query of four tokens and two products of six."""
    query, products = torch.full((1, 4), 1000), torch.full((2, 6), 1000)
    hidden, latents = modules.encoder(products, torch.ones_like(products))
    constants = modules.query(hidden[:1, :4])
    return {
        "encoder": (products, torch.ones_like(products)),
        "query": (hidden[:1, :4],),
        "joint": (*constants, query[0], latents, products, torch.tensor([6, 5])),
    }


def _interface(joint_layers: int) -> dict[SplitPart, tuple[tuple[Sequence[str], Sequence[str]], Axes]]:
    """Names of inputs and outputs, and which of their axes vary."""
    texts = {0: "n", 1: "length"}
    encoder: Axes = dict.fromkeys((*ENCODER_INPUTS, *ENCODER_OUTPUTS), texts)
    constants: Axes = {
        "own": {2: "query"},
        "own_values": {1: "values"},
        "reach": {0: "reach"},
        "query_weights": {0: "query"},
    }
    if joint_layers > 1:
        constants |= {
            "rows": {0: "query"},
            OWN_ROW_MATCHED: {1: "query"},
            "own": {1: "query", 2: "query"},
            "own_column_matched": {1: "query"},
        }
    names = query_constants(joint_layers)
    products: Axes = {"product_latents": texts, "product_ids": texts, "product_lengths": {0: "n"}}
    return {
        "encoder": ((ENCODER_INPUTS, ENCODER_OUTPUTS), encoder),
        "query": ((QUERY_INPUTS, names), {"hidden": {1: "query"}, **constants}),
        "joint": (
            ((*names, *PRODUCT_INPUTS), (JOINT_OUTPUT,)),
            {**constants, "query_ids": {0: "query"}, **products, JOINT_OUTPUT: {0: "n"}},
        ),
    }


def _cut_positions(graph_file: Path, longest: int) -> None:
    """Leave out the embeddings of positions that no text reaches."""
    graph = onnx.load(str(graph_file))
    (positions,) = [item for item in graph.graph.initializer if item.name.endswith("position_embeddings.weight")]
    kept: Any = numpy_helper.to_array(positions)[:longest]
    positions.CopyFrom(numpy_helper.from_array(kept.copy(), positions.name))
    onnx.save(graph, str(graph_file))
