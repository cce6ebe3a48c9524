from __future__ import annotations

import json

import pytest

from loadtest.systems import Aisle, Infinity, SentenceTransformers, System, document_texts
from relevance.template import FieldBudget, Template

TEMPLATE = Template(
    query_max_tokens=8,
    fields=(FieldBudget(field="title", max_tokens=8), FieldBudget(field="brand", max_tokens=4)),
)
BODY = {
    "query": "red lamp",
    "candidates": [{"id": "1", "title": "Lamp", "brand": "Lumora", "color": "red"}, {"id": "2", "title": "Shoe"}],
}


def test_peers_read_what_the_template_reads() -> None:
    # No colour: this template does not name it.
    assert document_texts(BODY, TEMPLATE) == ["Lamp Lumora", "Shoe"]


def test_aisle_is_sent_the_body_itself() -> None:
    call = Aisle().call(BODY | {"deadline_ms": 200})
    assert json.loads(call.content) == BODY | {"deadline_ms": 200}
    assert call.pairs == 2


@pytest.mark.parametrize("system", [Infinity(TEMPLATE), SentenceTransformers(TEMPLATE)])
def test_peers_are_sent_query_and_texts(system: System) -> None:
    call = system.call(BODY | {"deadline_ms": 200})
    content = json.loads(call.content)
    assert (content["query"], content["documents"]) == ("red lamp", ["Lamp Lumora", "Shoe"])
    assert "deadline_ms" not in content
    assert call.pairs == 2


def test_aisles_scores_without_those_that_the_deadline_left() -> None:
    results = [{"index": 0, "score": 0.2, "rank": 3}, {"index": 1, "score": 0.9, "rank": 1}]
    results += [{"index": 2, "score": 0.4, "rank": 2}]
    whole = {"results": results, "scored": 3, "total": 3}
    assert Aisle().scores(json.dumps(whole).encode()) == [0.2, 0.9, 0.4]
    assert Aisle().scores(json.dumps(whole | {"scored": 2}).encode()) == [None, 0.9, 0.4]


def test_infinitys_scores_by_index() -> None:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    assert Infinity(TEMPLATE).scores(json.dumps({"results": results}).encode()) == [0.1, 0.9]


def test_sentence_transformers_scores_in_order() -> None:
    assert SentenceTransformers(TEMPLATE).scores(b'{"scores": [0.1, 0.9]}') == [0.1, 0.9]
