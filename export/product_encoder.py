"""The encoder of a split student's bundle, as the catalogue's build runs it: length-sorted batches, several threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from export.catalogue_build import Encoder, Encoding
from export.encoder_graph import EXPORT_AGAIN, EncoderGraph
from export.errors import CheckpointError
from relevance.bundle import TOKENIZER, Bundle, Precision, load_bundle
from relevance.length_sorting import length_sorted_batches
from relevance.product import Product
from relevance.product_record import ProductRecord
from relevance.runtime_errors import in_short
from relevance.split_inputs import records_of
from relevance.split_pair import ProductText, SplitPairEncoder

BATCH_TOKENS: Final = 512
"""Padded tokens in a run: enough to fill a core's matrix products, few enough to stay in its cache."""
SPECIAL_TOKENS: Final = 2
"""[CLS] product [SEP]"""


class ProductTexts:
    """The bundle's pair rule for products; CheckpointError, naming its tokenizer, if that does not read them."""

    def __init__(self, bundle: Bundle, version: str) -> None:
        self._path = bundle.directory / TOKENIZER
        try:
            self.rule: Final = SplitPairEncoder(bundle.tokenizer(), bundle.manifest.template, version)
            self.rule.check_the_unknown()
        except Exception as error:
            # The tokenizers library raises bare Exception.
            raise self._unusable(error) from error

    def of(self, products: Sequence[Product]) -> list[ProductText]:
        """The text of each product, with the key of its record."""
        try:
            texts = self.rule.encode_products(products)
        except Exception as error:
            raise self._unusable(error) from error
        return [text for text in texts if isinstance(text, ProductText)]

    def _unusable(self, error: Exception) -> CheckpointError:
        return CheckpointError(f"the tokenizer {self._path} cannot be used ({in_short(error)}); {EXPORT_AGAIN}")


class ProductEncoder:
    """Encodes products with one session in as many threads as there are cores."""

    def __init__(self, graph: EncoderGraph, texts: ProductTexts, version: str, width: int) -> None:
        self.version, self.width = version, width
        self._graph, self._texts = graph, texts
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def begin(self, products: Sequence[Product]) -> Encoding:
        """Tokenise now, and let the threads encode; what comes back waits for them."""
        texts = self._texts.of(products)
        ids = [self._texts.rule.alone(text) for text in texts]
        batches = length_sorted_batches([len(each) for each in ids], BATCH_TOKENS)
        running = [
            self._threads.submit(self._run, [ids[row] for row in rows], [bool(texts[row].dropped) for row in rows])
            for rows in batches
        ]

        def wait() -> list[tuple[bytes, ProductRecord]]:
            found: dict[int, ProductRecord] = {}
            for rows, records in zip(batches, running, strict=True):
                found.update(zip(rows, records.result(), strict=True))
            return [(text.key, found[row]) for row, text in enumerate(texts)]

        return wait

    def _run(self, ids: Sequence[tuple[int, ...]], cut: Sequence[bool]) -> list[ProductRecord]:
        return records_of(ids, self._graph.latents(ids, self._texts.rule.pad_id), cut)


def open_encoder(directory: Path, precision: Precision = "int8") -> Encoder:
    """The encoder of the bundle in `directory`; CheckpointError if that is no split student or one that does not run.

    Records of another precision have other keys: it must be the one that is served, which on a CPU is int8 if there.
    """
    bundle = load_bundle(directory)
    split = bundle.manifest.split
    if split is None:
        raise CheckpointError(f"{directory} is a {bundle.manifest.architecture}: only a split student keeps records")
    version = bundle.encoder_version(precision)
    graph, texts = EncoderGraph.open(bundle.split_path(precision, "encoder")), ProductTexts(bundle, version)
    longest = bundle.manifest.template.product_max_tokens + SPECIAL_TOKENS
    graph.check_fits(texts.rule.largest_id, longest, split.latent_width)
    return ProductEncoder(graph, texts, version, split.latent_width)
