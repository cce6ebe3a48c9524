"""A bundle made by code, with a model whose every logit can be worked out by hand.

    logit = sum over the product's tokens of VALUES[token], 0 for words that are not listed

so "good good bad" has the logit 1.0. `nan` gives NaN, and `boom` in a product makes ONNX Runtime raise.
"""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from relevance.bundle import Bundle, save_bundle

VALUES = {"good": 0.75, "fair": 0.25, "bad": -0.5, "huge": 200.0, "nan": float("nan"), ".": 0.0}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *VALUES, "shoe", "lamp", "red", *string.ascii_lowercase]
PIECES = [*WORDS, *(f"##{letter}" for letter in string.ascii_lowercase), "boom"]

QUERY_TOKENS = 4
TITLE_TOKENS = 12
BRAND_TOKENS = 2


def write_bundle(directory: Path, **changes: object) -> Bundle:
    """Write the bundle; `changes` replace fields of the manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "README.md").write_text("A tiny model for tests.\n")
    tokenizer().save(str(directory / "tokenizer.json"))
    onnx.save(graph(), directory / "model.int8.onnx")
    fields: dict[str, object] = {
        "name": "tiny",
        "version": "7",
        "template": {
            "query_max_tokens": QUERY_TOKENS,
            "fields": [
                {"field": "title", "max_tokens": TITLE_TOKENS},
                {"field": "brand", "max_tokens": BRAND_TOKENS},
            ],
        },
        "calibration": {"scale": 1.0, "bias": 0.0},
        "labels": [{"name": "irrelevant", "min_score": 0.0}, {"name": "relevant", "min_score": 0.5}],
        "graphs": {"int8": "model.int8.onnx"},
    }
    return save_bundle(directory, fields | changes)


def tokenizer() -> Tokenizer:
    """WordPiece over whole test words and single letters."""
    vocabulary = {piece: index for index, piece in enumerate(PIECES)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def graph() -> onnx.ModelProto:
    """Sum of a table's values over the tokens of type 1; `boom` lies outside of the table."""
    table = np.array([VALUES.get(piece, 0.0) for piece in PIECES[:-1]], dtype=np.float32)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    nodes = [
        helper.make_node("Mul", ["input_ids", "token_type_ids"], ["of_products"]),
        helper.make_node("Gather", ["table", "of_products"], ["values"]),
        helper.make_node("Mul", ["attention_mask", "token_type_ids"], ["counts"]),
        helper.make_node("Cast", ["counts"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["values", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["logits"], keepdims=1),
    ]
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1])
    made = helper.make_graph(nodes, "tiny", inputs, [output], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
