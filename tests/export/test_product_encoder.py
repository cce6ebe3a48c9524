from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession

from export.catalogue import main
from export.errors import CheckpointError
from export.product_encoder import open_encoder
from relevance.bundle import MANIFEST, TOKENIZER, Bundle, BundleError, save_bundle
from relevance.catalogue import Catalogue
from relevance.product import Product
from relevance.split_pair import SplitPairEncoder
from tests.tiny_split import TITLES, write_split_bundle

PRODUCTS = [Product(id=str(number), title=title) for number, title in enumerate(TITLES)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What a GPU serves, and the same in fp32 to compare with."""
    return write_split_bundle(tmp_path_factory.mktemp("two") / "bundle", precisions=("fp32", "fp16"))


def test_records_in_fp16_are_those_in_fp32_but_for_rounding(bundle: Bundle) -> None:
    exact, rounded = (open_encoder(bundle.directory, precision) for precision in ("fp32", "fp16"))
    assert exact.version != rounded.version
    pairs = zip(exact.begin(PRODUCTS)(), rounded.begin(PRODUCTS)(), strict=True)
    for (_, wanted), (_, found) in pairs:
        np.testing.assert_array_equal(wanted.token_ids, found.token_ids)
        steps = np.abs(wanted.latents.astype(int) - found.latents.astype(int))
        assert steps.max() <= 1, "of 255 that a number is kept in"


def test_a_catalogue_for_a_gpu_is_built_without_one(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl"
    file.write_text("".join(product.model_dump_json(exclude_none=True) + "\n" for product in PRODUCTS))
    command = [str(file), "-o", str(tmp_path / "c"), "--bundle", str(bundle.directory), "--precision", "fp16"]
    assert main(command) == 0
    catalogue = Catalogue.open(tmp_path / "c", bundle.encoder_version("fp16"))
    assert catalogue.find(["0", "none"])[0] is not None


def test_a_precision_that_the_bundle_lacks_is_told_with_those_it_has(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="fp32"):
        open_encoder(bundle.directory, "int8")


Damage = Callable[[Path], None]


def with_tokenizer(change: Callable[[dict[str, Any]], None]) -> Damage:
    def damage(directory: Path) -> None:
        content = json.loads((directory / TOKENIZER).read_bytes())
        change(content)
        (directory / TOKENIZER).write_text(json.dumps(content))

    return damage


def with_content(name: str, content: bytes) -> Damage:
    return lambda directory: write(directory / name, content)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def with_query_graph(directory: Path) -> None:
    shutil.copy(directory / "query.onnx", directory / "encoder.onnx")


def lose_unknown(content: dict[str, Any]) -> None:
    del content["model"]["vocab"]["[UNK]"]
    content["added_tokens"] = []


def of_another_kind(content: dict[str, Any]) -> None:
    content.update(model={"type": "BPE", "vocab": {"a": 0}, "merges": []}, post_processor=None, added_tokens=[])


def raise_ids(content: dict[str, Any]) -> None:
    content["model"]["vocab"]["beyond"] = 30522


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (with_content(TOKENIZER, b""), r"tokenizer\.json cannot be used \(EOF"),
        (with_content(TOKENIZER, b"{}"), r"tokenizer\.json cannot be used \(Model missing"),
        (with_tokenizer(of_another_kind), r"tokenizer\.json cannot be used \(the tokenizer has no \[CLS\]"),
        (with_tokenizer(lose_unknown), r"tokenizer\.json cannot be used \(.*Missing \[UNK\]"),
        (with_tokenizer(raise_ids), r"encoder\.onnx cannot run on 20 tokens with ids up to 30522, .*out of"),
        (with_content("encoder.onnx", b"junk"), r"ONNX Runtime cannot load .*encoder\.onnx"),
        (with_query_graph, r"encoder\.onnx is no encoder's graph: it reads hidden"),
    ],
)  # fmt: skip
def test_a_bundle_that_does_not_encode_is_named_before_a_product_is_read(
    bundle: Bundle, tmp_path: Path, damage: Damage, message: str
) -> None:
    directory = shutil.copytree(bundle.directory, tmp_path / "damaged")
    damage(directory)
    saved_again(directory)
    with pytest.raises(CheckpointError, match=rf"{message}.*; export the bundle again$") as caught:
        open_encoder(directory, "fp32")
    assert "\n" not in str(caught.value)


def test_latents_of_another_width_than_the_manifests_are_named(bundle: Bundle, tmp_path: Path) -> None:
    directory = shutil.copytree(bundle.directory, tmp_path / "wider")
    saved_again(directory, latent_width=17)
    with pytest.raises(CheckpointError, match=r"encoder\.onnx gives latents of 16 int8 .* manifest says 17 int8"):
        open_encoder(directory, "fp32")


def test_what_fails_in_the_middle_is_named_too(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = open_encoder(bundle.directory, "fp32")

    def fail(*_: object) -> None:
        raise RuntimeError("no memory\n  stack trace")

    with monkeypatch.context() as patched:
        patched.setattr(InferenceSession, "run", fail)
        waiting = encoder.begin(PRODUCTS)
        with pytest.raises(CheckpointError, match=r"encoder\.onnx cannot run .*\(no memory\); export"):
            waiting()
    monkeypatch.setattr(SplitPairEncoder, "encode_products", fail)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be used \(no memory\)"):
        encoder.begin(PRODUCTS)


def saved_again(directory: Path, **of_split: int) -> None:
    """The bundle with a manifest that is right about its files, whatever became of them."""
    content = json.loads((directory / MANIFEST).read_bytes())
    content["split"].update(of_split)
    save_bundle(directory, {name: content[name] for name in content if name not in ("files", "sha256")})
