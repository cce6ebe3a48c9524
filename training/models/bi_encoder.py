"""The zero-shot bi-encoder: cosine of mean-pooled MiniLM vectors. Baseline, retriever, and half of the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from cachetools import LRUCache
from tokenizers import Tokenizer
from transformers import BertModel

from relevance.length_sorting import length_sorted_batches
from relevance.product import Product
from training.models.backbone import backbone_directory, load_encoder
from training.optimise.precision import autocast

MAX_TOKENS = 96
TOKENS_PER_BATCH = 8192
REMEMBERED = 50_000
"""Texts whose vectors are kept where the same products come again and again, as in an evaluation: 77 MB."""

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int], None]


class BiEncoder:
    """Encodes texts one by one, each independent of any query; keeps the vectors of the last `remembered` texts."""

    def __init__(self, model: BertModel | None = None, remembered: int = 0) -> None:
        self._model = model or load_encoder()
        self._model.train(False)
        self._tokenizer = Tokenizer.from_file(str(backbone_directory() / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._memory: LRUCache[str, Vectors] | None = LRUCache(remembered) if remembered else None

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors (len(texts), 384), in the order of the texts; `progress` gets each batch's size."""
        if self._memory is None:
            return self._encode(texts, progress)
        vectors = {text: vector for text in texts if (vector := self._memory.get(text)) is not None}
        fresh = [text for text in dict.fromkeys(texts) if text not in vectors]
        vectors.update(zip(fresh, self._encode(fresh, progress), strict=True))
        self._memory.update(vectors)
        if progress and len(texts) > len(fresh):
            progress(len(texts) - len(fresh))
        return np.stack([vectors[text] for text in texts]) if texts else self._encode(())

    def _encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        vectors = np.zeros((len(ids), self._model.config.hidden_size), dtype=np.float32)
        for rows in length_sorted_batches([len(each) for each in ids], TOKENS_PER_BATCH):
            vectors[rows] = self._encode_batch([ids[row] for row in rows])
            if progress:
                progress(len(rows))
        return vectors

    def encode_products(self, products: Sequence[Product], progress: Progress | None = None) -> Vectors:
        """For each product the mean of its title's and its full text's unit vector: (len(products), 384).

        Its dot product with a query's vector is the mean of the two cosines. The title alone misses what
        only the description says; the description alone drowns what the product is.
        """
        texts = [bi_encoder_texts(product) for product in products]
        row_of = {text: row for row, text in enumerate(dict.fromkeys(text for both in texts for text in both))}
        vectors = self.encode(list(row_of), progress)
        titles, full = ([row_of[both[side]] for both in texts] for side in (0, 1))
        mean: Vectors = (vectors[titles] + vectors[full]) / 2.0
        return mean

    def cosines(self, queries: Sequence[str], products: Sequence[Product]) -> npt.NDArray[np.float32]:
        """Cosines (n,) of n row-aligned queries and products, title and full text averaged."""
        row_of = {query: row for row, query in enumerate(dict.fromkeys(queries))}
        asked = self.encode(list(row_of))[[row_of[query] for query in queries]]
        cosines: npt.NDArray[np.float32] = np.einsum("ij,ij->i", asked, self.encode_products(products))
        return cosines

    def title_cosines(self, queries: Sequence[str], products: Sequence[Product]) -> npt.NDArray[np.float32]:
        """Cosines (n,) of n row-aligned queries and titles: what a shop does without training."""
        return self.cosines(queries, [Product(title=product.title) for product in products])

    @torch.inference_mode()
    def _encode_batch(self, ids: Sequence[Sequence[int]]) -> Vectors:
        width = max(map(len, ids))
        device = self._model.device
        tokens = torch.zeros((len(ids), width), dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for row, sequence in enumerate(ids):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
            mask[row, : len(sequence)] = 1
        mask = mask.to(device)
        with autocast(device):
            hidden = self._model(tokens.to(device), attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        pooled = (hidden * weights).sum(1) / weights.sum(1)
        result: Vectors = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return result


def bi_encoder_texts(product: Product) -> tuple[str, str]:
    """A product's title and its full text, which are the same where it has nothing but a title."""
    return product.title, " ".join(part for part in (product.title, product.product_type, product.description) if part)
