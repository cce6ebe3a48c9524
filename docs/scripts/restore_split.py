"""Exports a split student of one joint layer again from its bundle's int8 graphs, where its checkpoint is gone.

`python -m docs.scripts.restore_split --run-dir RUN --units-left 96 --output NEW_BUNDLE` takes models/default: the
encoder's graph stays but for what the export rewrites in one of int8. The weights of the query's and the joint graph
are dequantised, put into the student's modules and exported as these are today, with so many feed-forward units in
the joint layer (`training.student.pruning`). Ranges come from the judged pairs that RUN learnt from, and what the units
give also from its query logs and other products; the new graphs are compared with the old ones on its held-out pairs
and the general check. A new export does not need this.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from transformers import BertConfig, BertModel

from docs.scripts.requantise import copied
from docs.scripts.rewrite_graphs import SAME_WEIGHTS, for_fewer_passes
from export.bundle import in_building, put_in_place
from export.errors import ParityError
from export.graph import Heads, to_int8
from export.half_weights import halve_weights
from export.parity import BATCH_SIZES, Parity, broken_bound, compare
from export.residual_norms import split_residual_norms
from export.split_bundle import Files, drift_of, feeds_of, version_of
from export.split_graph import SplitModules, export_part
from export.split_runner import Ids, Logits, SplitList, SplitRunner, in_parts
from relevance.bundle import CARD, SPLIT_PARTS, Bundle, SplitPart, load_bundle, save_bundle
from relevance.pair_encoding import PairEncoder
from relevance.split_graphs import LATENT_STEPS, PRODUCT_INPUTS, query_constants
from relevance.split_inputs import Feed
from training.checks import general_check
from training.command_line import settings_of_run
from training.config import DistillSettings, SplitSettings
from training.datasets.query_log import read_query_log
from training.errors import ConfigError
from training.models.backbone import backbone_directory, load_pair_encoder
from training.models.split.graphs import EncoderGraph, JointGraph, QueryGraph
from training.models.split.joint_layer import JointLayer
from training.models.split.student import SplitStudent
from training.stages import load_split
from training.student.pruning import Moment, keep_units
from training.student.split_export import split_lists

MADE_AGAIN: tuple[SplitPart, ...] = ("query", "joint")
MADE = "## Made again"

LOGGED, DRAWN = 600, 24
"""Queries of the logs, and products drawn for each query, on which units are told from one another."""

Array = npt.NDArray[Any]


class Graph:
    """A quantised graph's constants by name, and its products' weights as they were."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load(str(path)).graph
        self.constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self.nodes = list(graph.node)

    def constant(self, ending: str) -> Tensor:
        """The one constant whose name ends so."""
        (found,) = [value for name, value in self.constants.items() if name.endswith(ending)]
        return tensor(found)

    def weights(self, product: str) -> Tensor:
        """A product's weights (out, in) in fp32: dequantised, and without the smoothing of its input."""
        name = f"/{product}/MatMul_output_0"
        (node,) = [node for node in self.nodes if node.name == name]
        whole, scale = self.constants[node.input[1]], self.constants[node.input[3]]
        factors = self.constants.get(f"{name}_inverse", np.ones(len(whole), np.float32))
        return tensor((whole.astype(np.float32) * scale * factors[:, None]).T)

    def read_by(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        """The one constant of that shape that an operator of that kind reads, also through a cast."""
        cast = {node.output[0]: node.input[0] for node in self.nodes if node.op_type == "Cast"}
        names = {cast.get(name, name) for node in self.nodes if node.op_type == kind for name in node.input}
        (found,) = [self.constants[name] for name in names if getattr(self.constants.get(name), "shape", 0) == shape]
        return tensor(found)


def tensor(values: Array) -> Tensor:
    """In fp32, and of its own."""
    return torch.from_numpy(np.array(values, dtype=np.float32))


@torch.no_grad()
def restored(bundle: Bundle) -> tuple[SplitStudent, Tensor]:
    """The student but for its encoder, and the largest size (D,) of each latent number."""
    query, joint = (Graph(bundle.split_path("int8", part)) for part in ("query", "joint"))
    shape = bundle.manifest.split
    if shape is None or shape.joint_layers != 1:
        raise ConfigError(f"{bundle.directory} holds no split student of one joint layer, which alone can be restored")
    settings, step = SplitSettings(latent_width=shape.latent_width), joint.constant("step")
    weights = weights_of(query, joint, step)
    settings = settings.model_copy(update={"joint_units": len(weights["joint.0.intermediate.dense.bias"])})
    student = SplitStudent(BertModel(_config(), add_pooling_layer=False), settings)  # type: ignore[no-untyped-call]
    for name, value in weights.items():
        parameter = student.get_parameter(name)
        parameter.copy_(value.reshape(parameter.shape))
    return student.train(False), step * LATENT_STEPS


def weights_of(query: Graph, joint: Graph, step: Tensor) -> Mapping[str, Tensor]:
    """The student's parameters beside the encoder's, by name."""
    width = len(step)
    heads = _config().num_attention_heads
    size = _config().hidden_size // heads
    own = {f"joint.0.{name}.weight": query.weights(name) for name in ("query", "key", "value")}
    biases = {f"joint.0.{name}.bias": query.constant(f"joint.0.{name}.bias") for name in ("query", "key", "value")}
    products = {name: joint.weights(name) for name in ("attention_output/dense", "intermediate/dense", "output/dense")}
    for name, weights in products.items():
        own[f"joint.0.{name.replace('/', '.')}.weight"] = weights
    match_value, value_bias = query.read_by("Expand", (heads, 2, size)).unbind(1)
    named = [name.removeprefix("student.") for name in joint.constants if name.startswith("student.joint.0")]
    return {
        **own,
        **biases,
        **{name: joint.constant(name) for name in named},
        "joint.0.product_key.weight": query.read_by("Einsum", (heads, size, width)) / step,
        "joint.0.product_key.bias": _other(query, "Einsum", ("match_query", "match_key"), (heads, size)),
        "joint.0.product_value.weight": joint.read_by("MatMul", (heads, width, size)).transpose(1, 2) / step,
        "joint.0.product_value.bias": value_bias,
        "directions.weight": query.weights("directions"),
        "match": _match(query.constant("match_key"), match_value, own),
        "head.weight": joint.constant("head.weight"),
        "head.bias": joint.constant("head.bias"),
        "features.weight": joint.read_by("MatMul", (3, 1)),
    }


def _match(key: Tensor, value: Tensor, own: Mapping[str, Tensor]) -> Tensor:
    """The vector (H,) of which a match's key and value are made."""
    maps = torch.cat([own["joint.0.key.weight"], own["joint.0.value.weight"]])
    vector: Tensor = torch.linalg.lstsq(maps, torch.cat([key.reshape(-1), value.reshape(-1)])[:, None]).solution[:, 0]
    return vector


def _other(graph: Graph, kind: str, known: tuple[str, ...], shape: tuple[int, ...]) -> Tensor:
    """As `read_by`, beside constants of these names."""
    kept = {name: value for name, value in graph.constants.items() if name not in known}
    rest = Graph.__new__(Graph)
    rest.constants, rest.nodes = kept, graph.nodes
    return rest.read_by(kind, shape)


def pruned(student: SplitStudent, scale: Tensor, units: int, feeds: Sequence[Feed]) -> None:
    """Leave the joint layer so many units, in place: those that give what all gave on `feeds` of the joint graph."""
    graph = JointGraph(student, scale)
    own, exported = (cast(JointLayer, of.joint[0]) for of in (student, graph.student))
    moment = Moment(own.output.dense.in_features)
    names = (*query_constants(1), *PRODUCT_INPUTS)
    hook = exported.output.dense.register_forward_pre_hook(moment)
    with torch.inference_mode():
        for feed in feeds:
            graph(*(torch.tensor(feed[name]) for name in names))
    hook.remove()
    keep_units(own, moment.mean, units)


def mixed_lists(learnt: Sequence[SplitList], log: Sequence[Ids]) -> list[SplitList]:
    """The lists that were learnt from, and their queries and those of `log` with products drawn from all of them."""
    draw = random.Random(0)
    products = sorted({ids for judged in learnt for ids in judged.products})
    queries = [judged.query for judged in learnt] + draw.sample(log, min(len(log), LOGGED))
    others = [SplitList(query, draw.sample(products, DRAWN), np.zeros(DRAWN)) for query in queries]
    return [*learnt, *others]


def logged_queries(settings: DistillSettings, rule: PairEncoder) -> list[Ids]:
    """The queries of the run's logs."""
    texts = [query.text for path in settings.query_logs for query in read_query_log(path)]
    return [rule.alone(query) for query in rule.encode_queries(texts)]


def _config() -> BertConfig:
    return BertConfig.from_pretrained(backbone_directory())


def exported(
    bundle: Bundle, student: SplitStudent, scale: Tensor, learnt: Sequence[SplitList], building: Path
) -> Files:
    """The three int8 graphs in `building`."""
    pad_id = bundle.pair_encoder().pad_id
    config = student.model.config
    heads = Heads(config.num_attention_heads, config.hidden_size)
    parts = (EncoderGraph(student, scale), QueryGraph(student, scale), JointGraph(student, scale))
    modules = SplitModules(*parts, heads, joint_layers=1, latent_width=len(scale))
    lowered = {part: building / bundle.split_path("int8", part).name for part in SPLIT_PARTS}
    graph = onnx.load(str(bundle.split_path("int8", "encoder")))
    for_fewer_passes(graph)
    split_residual_norms(graph)
    onnx.save(graph, str(lowered["encoder"]))
    exact = {**lowered, **{part: building / f"{part}.onnx" for part in MADE_AGAIN}}
    for part in MADE_AGAIN:
        export_part(modules, part, exact[part], bundle.manifest.template.max_length)
    feeds = feeds_of(SplitRunner(exact, pad_id), learnt, pad_id)
    for part in MADE_AGAIN:
        to_int8(exact[part], lowered[part], feeds[part])
        halve_weights(lowered[part])
        exact[part].unlink()
    return lowered


def compared(bundle: Bundle, files: Files, lists: Sequence[SplitList], pad_id: int) -> Parity:
    """The new graphs on the same pairs as the old ones; ParityError if they pass a bound."""
    old = SplitRunner({part: bundle.split_path("int8", part) for part in SPLIT_PARTS}, pad_id)
    new = SplitRunner(files, pad_id)
    before, after = ([logits_of(runner, judged) for judged in lists] for runner in (old, new))
    targets = [judged.targets for judged in lists]
    parity = compare(targets, before, after, drift_of(new, lists, after))
    problem = broken_bound(parity, SAME_WEIGHTS)
    if problem:
        raise ParityError(f"{files['joint'].name}: {problem}; bounds: {SAME_WEIGHTS}")
    return parity


def logits_of(runner: SplitRunner, judged: SplitList) -> Logits:
    """Logits of a list in parts of many sizes."""
    return np.concatenate([runner.logits(part) for part in in_parts(judged, cycle(BATCH_SIZES))])


def finish(bundle: Bundle, building: Path, files: Files, parity: Parity, units: int | None) -> None:
    """The bundle around the new graphs: a version of its own, figures and a word in the card."""
    before = bundle.manifest.version
    own = {**asdict(parity), "reference": f"the graphs of version {before}"}
    fields = {
        **copied(bundle, building, files["joint"].name),
        "version": version_of(files),
        "parity": {**bundle.manifest.parity, "int8": own},
    }
    card = (bundle.directory / CARD).read_text(encoding="utf-8").rstrip()
    made = f" The joint layer has {units} feed-forward units, those that give what all gave." if units else ""
    note = (
        f"The graphs are made again of version {before}'s weights, as the export makes them today.{made} Against that "
        f"version: mean and largest Δlogit {parity.mean_logit_difference:.1g} and "
        f"{parity.largest_logit_difference:.1g} over {parity.pairs} pairs, nDCG@10 {parity.ndcg_torch:.4f} → "
        f"{parity.ndcg_graph:.4f}."
    )
    again = "" if MADE in card else f"\n{MADE}\n"
    (building / CARD).write_text(f"{card}\n{again}\n{note}\n", encoding="utf-8")
    save_bundle(building, fields)


def main() -> None:
    """Write the new bundle and print what was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/default"))
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--units-left", type=int, help="in the joint layer; all, if not given")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    bundle, settings = load_bundle(options.bundle), settings_of_run(options.run_dir)
    split, rule = load_split(settings), load_pair_encoder(bundle.manifest.template)
    learnt, *checked = (split_lists(data, rule) for data in (split.train, split.held_out, general_check()))
    student, scale = restored(bundle)
    if options.units_left:
        runner = SplitRunner({part: bundle.split_path("int8", part) for part in SPLIT_PARTS}, rule.pad_id)
        lists = mixed_lists(learnt, logged_queries(settings, rule))
        pruned(student, scale, options.units_left, [runner.joint_feed(judged) for judged in lists])
    with in_building(options.output) as building:
        files = exported(bundle, student, scale, learnt, building)
        parity = compared(bundle, files, [judged for part in checked for judged in part], rule.pad_id)
        finish(bundle, building, files, parity, options.units_left)
        put_in_place(building, options.output)
    print(json.dumps(asdict(parity)))


if __name__ == "__main__":
    main()
