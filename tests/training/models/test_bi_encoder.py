from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from relevance.product import Product
from training.models.bi_encoder import BiEncoder, Progress, Vectors


@pytest.fixture(scope="module")
def encoder() -> BiEncoder:
    return BiEncoder()


def test_vectors_are_unit_and_do_not_depend_on_the_batch(encoder: BiEncoder) -> None:
    texts = ["red running shoe", "a", "oak dining table with six chairs and a bench, solid wood, 180 x 90 cm", ""]
    together = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, rtol=1e-5)
    for row, text in enumerate(texts):
        # bf16 where the machine has it: equal to about three digits.
        np.testing.assert_allclose(encoder.encode([text])[0], together[row], atol=5e-3)


def test_it_is_the_published_sentence_encoder(encoder: BiEncoder) -> None:
    """Meaning without a shared word beats a shared word without meaning."""
    products = [Product(title="Three seater couch in grey velvet"), Product(title="Sofa cleaning foam spray")]
    near, far = encoder.title_cosines(["settee"] * 2, products)
    assert near > far > 0.0


def test_a_products_vector_averages_title_and_full_text(encoder: BiEncoder) -> None:
    bare = Product(title="Kettle")
    told = Product(title="Kettle", product_type="kitchen appliance", description="Boils 1.7 l of water")
    full = Product(title="Kettle kitchen appliance Boils 1.7 l of water")
    means = encoder.cosines(["electric kettle"] * 2, [bare, told])
    titles = encoder.title_cosines(["electric kettle"] * 2, [bare, full])
    assert means[0] == pytest.approx(titles[0], abs=5e-3)
    assert means[1] == pytest.approx(titles.mean(), abs=5e-3)


def test_each_row_has_its_own_query(encoder: BiEncoder) -> None:
    products = [Product(title="Kettle"), Product(title="Sofa"), Product(title="Kettle")]
    kettle, sofa, other = encoder.cosines(["kettle", "sofa", "sofa"], products)
    assert min(kettle, sofa) > 0.8
    assert other < 0.6


def test_progress_counts_every_text() -> None:
    done: list[int] = []
    BiEncoder().encode([f"text number {n}" for n in range(500)], done.append)
    assert sum(done) == 500


def test_texts_that_come_again_are_remembered(encoder: BiEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    remembering = BiEncoder(remembered=3)
    encoded: list[str] = []

    def encode(self: BiEncoder, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        encoded.extend(texts)
        return plain(self, texts, progress)

    plain = BiEncoder._encode
    monkeypatch.setattr(BiEncoder, "_encode", encode)
    done: list[int] = []
    for texts in (["oak", "lamp", "oak"], ["lamp", "oak"], ["shoe", "sofa", "bed"], ["oak"], []):
        vectors = remembering.encode(texts, done.append)
        assert vectors.shape == (len(texts), 384)
        np.testing.assert_allclose(vectors, plain(encoder, texts), atol=5e-3)
    # Three at the most: those after it have pushed the first ones out.
    assert encoded == ["oak", "lamp", "shoe", "sofa", "bed", "oak"]
    assert sum(done) == 3 + 2 + 3 + 1
