"""Bodies as other servers' clients send them, for the OpenAPI document; the tests send them too."""

from __future__ import annotations

from typing import Any, Final

_TITLES: Final = ["Trail running shoe, red, men's", "Leather office shoe, black", "Running socks, 3 pairs"]

COHERE: Final[dict[str, Any]] = {
    "summary": "Cohere, version 2",
    "value": {"model": "rerank-v3.5", "query": "red running shoes", "documents": _TITLES, "top_n": 2},
}
COHERE_1: Final[dict[str, Any]] = {
    "summary": "Cohere, version 1: objects, and which of their fields are read",
    "value": {
        "model": "rerank-english-v3.0",
        "query": "red running shoes",
        "documents": [
            {"title": "Trail running shoe", "color": "red", "sku": "A-17"},
            {"title": "Office shoe", "color": "black", "sku": "B-2"},
        ],
        "rank_fields": ["title", "color"],
        "top_n": 1,
        "return_documents": True,
    },
}
JINA: Final[dict[str, Any]] = {
    "summary": "Jina, vLLM, Infinity",
    "value": {
        "model": "jina-reranker-v2-base-multilingual",
        "query": "red running shoes",
        "documents": [{"text": title} for title in _TITLES],
        "top_n": 2,
        "return_documents": True,
    },
}
VOYAGE: Final[dict[str, Any]] = {
    "summary": "Voyage",
    "value": {
        "model": "rerank-2.5",
        "query": "red running shoes",
        "documents": _TITLES,
        "top_k": 2,
        "truncation": True,
        "return_documents": True,
    },
}
TEI: Final[dict[str, Any]] = {
    "summary": "Text Embeddings Inference",
    "value": {
        "query": "red running shoes",
        "texts": _TITLES,
        "raw_scores": False,
        "return_text": True,
        "truncate": True,
        "truncation_direction": "Right",
    },
}

EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "/v2/rerank": {"cohere": COHERE},
    "/v1/rerank": {"cohere": COHERE_1, "jina": JINA},
    "/openai/v1/rerank": {"jina": JINA},
    "/voyage/v1/rerank": {"voyage": VOYAGE},
    "/rerank": {"tei": TEI, "jina": JINA},
    "/infinity/rerank": {"infinity": JINA},
    "/tei/rerank": {"tei": TEI, "documents": JINA},
}
"""Route → its examples."""
