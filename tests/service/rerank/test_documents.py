from __future__ import annotations

from typing import Any

import pytest

from service.rerank.documents import candidate_of


@pytest.mark.parametrize(
    ("document", "fields", "candidate"),
    [
        ("lamp", ["title"], "lamp"),
        ({"title": "lamp", "brand": "Fjell"}, None, {"title": "lamp", "brand": "Fjell"}),
        ({"title": "lamp", "brand": "Fjell", "sku": 7}, ["title", "brand"], {"title": "lamp", "brand": "Fjell"}),
        ({"text": "lamp", "sku": 7}, None, {"title": "lamp"}),
        (
            {"name": "lamp", "note": None, "tags": ["red"], "lit": True},
            ["name", "note", "tags", "lit"],
            'lamp ["red"] true',
        ),
        ({"title": "lamp", "text": None, "brand": None}, None, {"title": "lamp"}),
        ({"text": 7}, None, {"text": 7}),
        ({"id": "p7"}, None, {"id": "p7"}),
    ],
)
def test_what_of_a_document_is_scored(document: Any, fields: list[str] | None, candidate: Any) -> None:
    expected = {"title": candidate} if isinstance(document, dict) and isinstance(candidate, str) else candidate
    assert candidate_of(document, fields) == expected
