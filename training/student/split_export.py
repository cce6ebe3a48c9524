"""What the export of a split student needs of it: its graphs as modules, its own logits, and lists of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from export.graph import Heads
from export.split_bundle import SplitSource
from export.split_graph import SplitModules
from export.split_runner import Ids, Logits, SplitList
from relevance.pair_encoding import EncodedPair, PairEncoder, pad_texts
from training.datasets.schema import Dataset
from training.models.split.files import load_split
from training.models.split.graphs import EncoderGraph, JointGraph, QueryGraph, latent_scale
from training.models.split.student import SplitStudent
from training.optimise.batches import PairGroup, collate

TEXTS_AT_ONCE = 64


def split_source(checkpoint: Path, tokenizer: Path, rule: PairEncoder, lists: Sequence[SplitList]) -> SplitSource:
    """The student in `checkpoint`, which reads by `rule` with that tokenizer.json.

    `lists` are of the judgements that it learnt from.
    """
    student = load_split(checkpoint).to("cpu")
    # Written out, attention is what the exporter's fusions know.
    student.model.config._attn_implementation = "eager"
    products = sorted({ids for judged in lists for ids in judged.products}, key=len)
    batches = [
        pad_texts(products[start:][:TEXTS_AT_ONCE], rule.pad_id) for start in range(0, len(products), TEXTS_AT_ONCE)
    ]
    scale = latent_scale(student, [(torch.from_numpy(ids), torch.from_numpy(mask)) for ids, mask in batches])
    config = student.model.config
    modules = SplitModules(
        EncoderGraph(student, scale),
        QueryGraph(student, scale),
        JointGraph(student, scale),
        Heads(config.num_attention_heads, config.hidden_size),
        student.settings.joint_layers,
        student.settings.latent_width,
    )
    return SplitSource(
        modules, lambda judged: exact_logits(student, judged, rule.pad_id), tokenizer, rule.pad_id, lists
    )


@torch.inference_mode()
def exact_logits(student: SplitStudent, judged: SplitList, pad_id: int) -> Logits:
    """The student's own logits (n,) in fp32."""
    pairs = [_pair(judged.query, product) for product in judged.products]
    batch = collate([PairGroup(pairs, np.zeros(len(pairs), dtype=np.float32))], pad_id)
    logits: Logits = student.score_exactly(batch).double().cpu().numpy()
    return logits


def split_lists(dataset: Dataset, rule: PairEncoder) -> list[SplitList]:
    """Each query's judged products, each side by itself."""
    lists = []
    for query, judgements in dataset.by_query().items():
        products = rule.encode_products([dataset.products[judgement.product_id] for judgement in judgements])
        (encoded,) = rule.encode_queries([query])
        targets = np.array([judgement.target for judgement in judgements])
        lists.append(SplitList(rule.alone(encoded), [rule.alone(product) for product in products], targets))
    return lists


def _pair(query: Ids, product: Ids) -> EncodedPair:
    ids = (*query, *product[1:])
    return EncodedPair(ids, (0,) * len(query) + (1,) * (len(product) - 1))
