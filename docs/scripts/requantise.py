"""Gives a bundle's int8 graph fixed activation ranges, where its checkpoint is no longer at hand.

`python -m docs.scripts.requantise --data chorus:DIR --output NEW_BUNDLE` takes models/cross-encoder, whose int8 graph
has dynamic ranges, dequantises its weights, and quantises those again as `export.graph.to_int8` does. Ranges come
from the judged pairs that the bundle learnt from; graphs are compared on the held-out ones and the general check.
A new export does not need this.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from export.graph import to_int8
from export.onnx_graph import drop_unused, replace_nodes
from export.parity import JudgedList, Parity, batch_drift, compare, graph_logits
from export.range_feeds import pair_feeds
from relevance.bundle import CARD, GRAPH_FILES, TOKENIZER, Bundle, load_bundle, save_bundle, sha256_of
from training.checks import general_check
from training.config_file import load_settings
from training.finish import judged_lists
from training.stages import load_split

NBITS_ZERO = 128

Array = npt.NDArray[np.float32]
Replacements = dict[str, list[onnx.NodeProto]]


class Dequantised:
    """Puts fp32 products in the place of a graph's integer ones; embeddings stay as they are."""

    def __init__(self, graph: onnx.ModelProto) -> None:
        self._graph = graph
        self._constants = {item.name: item for item in graph.graph.initializer}
        self._source = {n.output[0]: n.input[0] for n in graph.graph.node if n.op_type == "DynamicQuantizeLinear"}
        self._replacements: Replacements = {name: [] for name in self._source}

    def apply(self) -> None:
        """Change the graph in place."""
        users: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        made_by = {output: node for node in self._graph.graph.node for output in node.output}
        for node in self._graph.graph.node:
            for name in node.input:
                users[name].append(node)
        for node in list(self._graph.graph.node):
            if node.op_type == "MatMulInteger":
                (cast,) = users[node.output[0]]
                (scaling,) = users[cast.output[0]]
                (scales,) = [made_by[name] for name in scaling.input if name != cast.output[0]]
                self._replacements |= {gone.output[0]: [] for gone in (node, cast, scales)}
                self._product(scaling.output[0], self._source[node.input[0]], self._weights(node.input[1]))
            elif node.op_type == "MatMulNBits":
                self._product(node.output[0], node.input[0], self._block_weights(node))
            elif node.op_type == "QAttention":
                self._attention(node)
        replace_nodes(self._graph, self._replacements)
        drop_unused(self._graph)

    def _product(self, output: str, source: str, weights: Array) -> None:
        name = self._constant(f"{output}_weights", weights)
        self._replacements[output] = [helper.make_node("MatMul", [source, name], [output], name=output)]

    def _attention(self, node: onnx.NodeProto) -> None:
        weights = self._constant(f"{node.output[0]}_weights", self._weights(node.input[1]))
        inputs = [self._source[node.input[0]], weights, node.input[2], node.input[5]]
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        self._replacements[node.output[0]] = [
            helper.make_node("Attention", inputs, list(node.output), node.name, domain=node.domain, **attributes)
        ]

    def _weights(self, quantised: str) -> Array:
        """Weights (k, n) from int8 with a scale for each column."""
        base = quantised.removesuffix("_quantized")
        scale, zero = self._array(f"{base}_scale"), self._array(f"{base}_zero_point").astype(np.float32)
        return np.asarray(
            (self._array(quantised).astype(np.float32) - zero) * scale.astype(np.float32), dtype=np.float32
        )

    def _block_weights(self, node: onnx.NodeProto) -> Array:
        """Weights (k, n) from 8-bit blocks (n, blocks, size) with a scale for each block."""
        sizes = {item.name: item.i for item in node.attribute}
        blocks = self._array(node.input[1]).astype(np.float32) - NBITS_ZERO
        scales = self._array(node.input[2]).astype(np.float32).reshape(sizes["N"], -1, 1)
        return np.ascontiguousarray((blocks * scales).reshape(sizes["N"], -1)[:, : sizes["K"]].T, dtype=np.float32)

    def _array(self, name: str) -> npt.NDArray[np.generic]:
        return np.asarray(numpy_helper.to_array(self._constants[name]))

    def _constant(self, name: str, values: Array) -> str:
        self._graph.graph.initializer.append(numpy_helper.from_array(values, name))
        return name


def main() -> None:
    """Write the new bundle and print the figures of both graphs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/cross-encoder"))
    parser.add_argument("--config", type=Path, default=Path("configs/cross-encoder-bundle.toml"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    encoder = bundle.pair_encoder()
    split = load_split(load_settings(options.config, {"data": options.data}))
    learnt_from = [pair for judged in judged_lists(split.train, encoder) for pair in judged.pairs]
    lists = [*judged_lists(split.held_out, encoder), *judged_lists(general_check(), encoder)]
    options.output.mkdir(parents=True)
    target = options.output / GRAPH_FILES["int8"]
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) / "dequantised.onnx"
        graph = onnx.load(str(bundle.graph_path("int8")))
        Dequantised(graph).apply()
        onnx.save(graph, str(exact))
        to_int8(exact, target, pair_feeds(learnt_from))
        before = measured(exact, bundle.graph_path("int8"), lists, encoder.pad_id)
        after = measured(exact, target, lists, encoder.pad_id)
    save(bundle, options.output, after)
    print(json.dumps({"before": asdict(before), "after": asdict(after), "bundle": str(options.output)}, indent=1))


def measured(exact: Path, graph: Path, lists: list[JudgedList], pad_id: int) -> Parity:
    """A graph against the dequantised one."""
    logits = graph_logits(graph, lists, pad_id)
    reference = graph_logits(exact, lists, pad_id)
    return compare([judged.targets for judged in lists], reference, logits, batch_drift(graph, lists, logits, pad_id))


def copied(bundle: Bundle, directory: Path, graph: str) -> dict[str, Any]:
    """The manifest's fields for a bundle around another graph, and its tokenizer put there."""
    shutil.copyfile(bundle.directory / TOKENIZER, directory / TOKENIZER)
    fields = {name: getattr(bundle.manifest, name) for name in type(bundle.manifest).model_fields if name != "files"}
    return {**fields, "version": sha256_of(directory / graph)[:12]}


def save(bundle: Bundle, directory: Path, parity: Parity) -> None:
    """The bundle around the new graph: tokenizer as it was, manifest and card with the new figures."""
    fields = copied(bundle, directory, GRAPH_FILES["int8"])
    reference = f"the weights of version {bundle.manifest.version}, dequantised"
    fields["parity"] = {**bundle.manifest.parity, "int8": {**asdict(parity), "reference": reference}}
    card = (bundle.directory / CARD).read_text(encoding="utf-8").splitlines()
    row = next(number for number, line in enumerate(card) if line.startswith("| int8 |"))
    card[row : row + 1] = [
        f"| int8 | {parity.pairs} | {parity.largest_logit_difference:.2g} | {parity.mean_logit_difference:.2g} "
        f"| {parity.ndcg_torch:.4f} → {parity.ndcg_graph:.4f} | {parity.kendall_tau:.4f} |",
        "",
        f"The int8 row is measured against {reference}, which stand for the checkpoint. Activations have fixed ranges: "
        f"a pair's logit moves by at most {parity.largest_batch_drift:.1g} with the batch around it.",
    ]
    (directory / CARD).write_text("\n".join(card) + "\n", encoding="utf-8")
    save_bundle(directory, fields)


if __name__ == "__main__":
    main()
