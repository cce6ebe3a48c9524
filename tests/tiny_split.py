"""A tiny random split student, exported for real: a bundle to serve in tests, and what it scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel

from export.bundle import BundleOutput, BundleRequest
from export.split_bundle import SplitSource, export_split_bundle
from export.split_runner import SplitList
from relevance.bundle import Bundle, Precision, load_bundle
from relevance.calibration import Calibration
from relevance.product import Product
from relevance.template import FieldBudget, Template
from training.config import SplitSettings
from training.models.backbone import load_pair_encoder, tokenizer_file
from training.models.split.files import save_split
from training.models.split.start import initial_split
from training.student.split_export import split_source

TEMPLATE = Template(
    query_max_tokens=8,
    fields=(FieldBudget(field="title", max_tokens=12), FieldBudget(field="description", max_tokens=6)),
)
TITLES = (
    "red shoe", "blue suede shoe with laces", "usb cable", "usb c charging cable 2 m", "oak table", "garden chair",
    "dog bed", "green tea",
)  # fmt: skip
QUERIES = ("red shoe", "usb c cable", "table")


def write_split_bundle(
    directory: Path, joint_layers: int = 1, seed: int = 0, precisions: tuple[Precision, ...] = ("int8",)
) -> Bundle:
    """A verified bundle in `directory`."""
    source, lists, request = split_parts(directory.with_name(f"{directory.name}.checkpoint"), joint_layers, seed)
    request = replace(request, precisions=precisions)
    export_split_bundle(source, lists, request, BundleOutput(directory, lambda _: "# tiny\n"))
    return load_bundle(directory)


def split_parts(
    checkpoint: Path, joint_layers: int = 1, seed: int = 0, late_interaction: bool = True
) -> tuple[SplitSource, list[SplitList], BundleRequest]:
    """What an export takes, of a student whose files lie in `checkpoint`."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=max(2, joint_layers), num_attention_heads=2,
        intermediate_size=48,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2,
    )  # fmt: skip
    encoder = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    rule = load_pair_encoder(TEMPLATE)
    settings = SplitSettings(joint_layers=joint_layers, latent_width=16, late_interaction=late_interaction)
    texts = rule.encode_products([Product(title=title) for title in TITLES])
    student = initial_split(encoder, settings, texts, rule)
    torch.nn.init.normal_(student.match, std=0.5)
    checkpoint.mkdir(parents=True)
    save_split(student, checkpoint)
    # Equal targets: a random student's order means nothing, and rounding may change it.
    lists = [
        SplitList(rule.alone(query), [rule.alone(text) for text in texts], np.ones(len(texts)))
        for query in rule.encode_queries(QUERIES)
    ]
    request = BundleRequest(
        name="tiny-split", template=TEMPLATE, calibration=Calibration(scale=1.0, bias=0.0), training={}, metrics={},
        licences=(),
    )  # fmt: skip
    return split_source(checkpoint, tokenizer_file(), rule, lists), lists, request
