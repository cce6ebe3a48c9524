"""The encoder of a split student's bundle, as the catalogue's build runs it: length-sorted batches, several threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from export.catalogue_build import Encoder, Encoding
from export.errors import CheckpointError
from export.sessions import cpu_session
from relevance.bundle import Precision, load_bundle
from relevance.length_sorting import length_sorted_batches
from relevance.product import Product
from relevance.product_record import ProductRecord
from relevance.split_inputs import encoder_inputs, records_of
from relevance.split_pair import ProductText, SplitPairEncoder

BATCH_TOKENS: Final = 512
"""Padded tokens in a run: enough to fill a core's matrix products, few enough to stay in its cache."""


class ProductEncoder:
    """Encodes products with one session in as many threads as there are cores."""

    def __init__(self, session: onnxruntime.InferenceSession, rule: SplitPairEncoder, version: str, width: int) -> None:
        self.version, self.width = version, width
        self._session, self._rule = session, rule
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def begin(self, products: Sequence[Product]) -> Encoding:
        """Tokenise now, and let the threads encode; what comes back waits for them."""
        texts = [text for text in self._rule.encode_products(products) if isinstance(text, ProductText)]
        ids = [self._rule.alone(text) for text in texts]
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
        (latents,) = self._session.run(["latents"], encoder_inputs(ids, self._rule.pad_id))
        return records_of(ids, np.asarray(latents), cut)


def open_encoder(directory: Path, precision: Precision = "int8") -> Encoder:
    """The encoder of the bundle in `directory`; CheckpointError if that is no split student.

    Records of another precision have other keys: it must be the one that is served, which on a CPU is int8 if there.
    """
    bundle = load_bundle(directory)
    split = bundle.manifest.split
    if split is None:
        raise CheckpointError(f"{directory} is a {bundle.manifest.architecture}: only a split student keeps records")
    version = bundle.encoder_version(precision)
    session = cpu_session(bundle.split_path(precision, "encoder"), threads=1)
    rule = SplitPairEncoder(bundle.tokenizer(), bundle.manifest.template, version)
    return ProductEncoder(session, rule, version, split.latent_width)
