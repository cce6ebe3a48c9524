"""The bundle as peers read it: a Hugging Face model directory around the very same int8 graph and tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from relevance.bundle import TOKENIZER, Bundle
from relevance.template import LONGEST_PAIR

GRAPH = "onnx/model_quantized.onnx"
"""Where both peers look for a quantised graph. No other weights are there: nothing else can be run."""


def write_model_directory(bundle: Bundle, directory: Path) -> None:
    """Fill `directory` with what transformers needs to open the bundle's graph as a one-label BERT classifier."""
    (directory / GRAPH).parent.mkdir(parents=True)
    shutil.copyfile(bundle.graph_path("int8"), directory / GRAPH)
    tokenizer = json.loads((bundle.directory / TOKENIZER).read_text(encoding="utf-8"))
    # As the pair rule does: a saved fixed padding would cost a peer dearly.
    tokenizer |= {"padding": None, "truncation": None}
    _write(directory / TOKENIZER, tokenizer)
    _write(directory / "config.json", _config(len(tokenizer["model"]["vocab"])))
    _write(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizerFast", "model_max_length": bundle.manifest.template.max_length},
    )


def _config(vocabulary: int) -> dict[str, Any]:
    """What is read of it is the kind of model and its one label; the sizes are in the graph."""
    return {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "relevance"},
        "label2id": {"relevance": 0},
        "vocab_size": vocabulary,
        "max_position_embeddings": LONGEST_PAIR,
        # Infinity's graph optimiser asks for these two; they are MiniLM's.
        "hidden_size": 384,
        "num_attention_heads": 12,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
