from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.catalogue import main
from export.product_encoder import open_encoder
from relevance.bundle import Bundle, BundleError
from relevance.catalogue import Catalogue
from relevance.product import Product
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
