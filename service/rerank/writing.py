"""From our own reply to a dialect's: best first, every document once unless `top_n` was given.

An item holds its index, its score and its text, and nothing else: some clients refuse an item with more. What else
there is to tell (cut texts, a deadline that left documents unscored, fields without effect) is in `meta` and headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import FieldError
from service.logs import current_request_id
from service.reply import Json
from service.rerank.documents import TEXT, as_document
from service.rerank.reading import Reranking
from service.routes.answering import Written
from service.served import Scored
from service.validation import invalid_fields

MOST_IN_HEADER = 8
"""Warnings that the header tells: clients refuse headers of some kilobytes. The body of an object has them all."""

UNREAD_SCORE = 0.0
"""Of a document that is blank, or named by an id which the catalogue does not know; a warning tells that."""

_CUTTING = {"texts": "truncate", "documents": "truncation"}
"""What allows it, by the list's name."""


def write_array(asked: Reranking, reply: Json, scored: Scored) -> Written:
    """`[{"index", "score", "text"?}, …]`, as Text Embeddings Inference has it."""
    _check_uncut(asked, reply)
    items = []
    for index, score in _best(asked, reply):
        item: Json = {"index": index, "score": score}
        if asked.return_documents:
            item[TEXT] = as_document(asked.documents[index])[TEXT]
        items.append(item)
    return Written(items, _headers(_warnings(asked, reply), scored))


def write_results(asked: Reranking, reply: Json, scored: Scored) -> Written:
    """`{"results": [{"index", "relevance_score", "document"?}, …], …}`, as Cohere and Jina have it."""
    results = []
    for index, score in _best(asked, reply):
        item: Json = {"index": index, "relevance_score": score}
        if asked.return_documents:
            item["document"] = as_document(asked.documents[index])
        results.append(item)
    tokens = sum(result["debug"]["tokens"] for result in reply["results"] if "debug" in result)
    warnings = _warnings(asked, reply)
    content = {
        "id": current_request_id(),
        "object": "list",
        "model": reply["model"]["name"],
        "results": results,
        "usage": {"total_tokens": tokens, "prompt_tokens": tokens},
        "meta": {**_billing(tokens), "warnings": warnings, "aisle": _ours(reply)},
    }
    return Written(content, _headers(warnings, scored))


def write_rerank(asked: Reranking, reply: Json, scored: Scored) -> Written:
    """The same under the name that Infinity's client takes alone for it; vLLM's have no name."""
    content, headers = write_results(asked, reply, scored)
    assert isinstance(content, dict)
    return Written({**content, "object": "rerank"}, headers)


def write_infinity(asked: Reranking, reply: Json, scored: Scored) -> Written:
    """The same with a document as its text alone, which vLLM's clients do not take."""
    content, headers = write_rerank(asked, reply, scored)
    assert isinstance(content, dict)
    for item in content["results"]:
        if "document" in item:
            item["document"] = item["document"][TEXT]
    return Written(content, headers)


def write_voyage(asked: Reranking, reply: Json, scored: Scored) -> Written:
    """The same with `data` in the place of `results`, as Voyage has it."""
    _check_uncut(asked, reply)
    content, headers = write_infinity(asked, reply, scored)
    assert isinstance(content, dict)
    data = content.pop("results")
    return Written({**content, "object": "list", "data": data}, headers)


def write_cohere_v2(asked: Reranking, reply: Json, scored: Scored) -> Written:
    """The same with what version 2 of Cohere has of it."""
    content, headers = write_results(asked, reply, scored)
    assert isinstance(content, dict)
    content["meta"]["api_version"] = {"version": "2"}
    return Written({name: content[name] for name in ("id", "results", "meta")}, headers)


def _check_uncut(asked: Reranking, reply: Json) -> None:
    """Raise InvalidInputError if something was cut that had to stay whole."""
    # Tokens are counted on the way, so this is known only now.
    if not asked.refuse_truncation:
        return
    cut = {_place(asked, r): r["debug"]["dropped"] for r in reply["results"] if r.get("debug", {}).get("dropped")}
    errors = [
        FieldError("query", _too_long(asked, dropped["query"])) for dropped in cut.values() if "query" in dropped
    ][:1]
    errors += [
        FieldError(f"{asked.list_name}[{index}]", _too_long(asked, tokens))
        for index, dropped in cut.items()
        if (tokens := sum(dropped.values()) - dropped.get("query", 0))
    ]
    if errors:
        raise invalid_fields(errors)


def _too_long(asked: Reranking, tokens: int) -> str:
    return f"is {tokens} tokens too long for the model; with {_CUTTING[asked.list_name]} it is cut"


def _best(asked: Reranking, reply: Json) -> Sequence[tuple[int, float]]:
    """Index and score of each document to answer, best first."""
    results = reply["results"]
    known = sorted((result for result in results if "rank" in result), key=lambda result: int(result["rank"]))
    scores = _logits(known) if asked.raw_scores else [float(result["score"]) for result in known]
    ranked = [(_place(asked, result), score) for result, score in zip(known, scores, strict=True)]
    unread = [*(_place(asked, result) for result in results if "rank" not in result), *asked.blank]
    lowest = min([UNREAD_SCORE, *scores])
    ranked += [(place, lowest) for place in sorted(unread)]
    return ranked[: asked.top_n]


def _place(asked: Reranking, result: Mapping[str, Any]) -> int:
    """Which document a result of ours is of."""
    return asked.places[int(result["index"])]


def _logits(ranked: Sequence[Mapping[str, Any]]) -> list[float]:
    """Logits in rank order; those that a deadline left unscored are each one below the one before."""
    logits: list[float] = []
    for result in ranked:
        logit = result["debug"]["logit"]
        logits.append(float(logit) if logit is not None else (logits[-1] if logits else 0.0) - 1.0)
    return logits


def _warnings(asked: Reranking, reply: Json) -> list[str]:
    unknown = [f"documents[{_place(asked, r)}]: {r['error']['detail']}" for r in reply["results"] if "error" in r]
    known = reply["total"] - len(unknown)
    late = f"documents: {reply['scored']} of {known} were scored in time; the rest stands below, in prior order"
    blank = [f"{asked.list_name}[{place}]: There is nothing to read in it; it stands last." for place in asked.blank]
    return [*asked.notes, *([late] if reply["degraded"] else []), *unknown, *blank]


def _billing(tokens: int) -> Json:
    return {
        "api_version": {"version": "1"},
        "billed_units": {"search_units": 1},
        "tokens": {"input_tokens": tokens, "output_tokens": 0},
    }


def _ours(reply: Json) -> Json:
    names = ("scored", "total", "degraded", "truncated", "timing_ms")
    return {"version": reply["model"]["version"], **{name: reply[name] for name in names}}


def _headers(warnings: Sequence[str], scored: Scored) -> dict[str, str]:
    headers = {
        "x-aisle-degraded": str(scored.degraded).lower(),
        "x-aisle-truncated": str(scored.truncated),
    }
    if warnings:
        more = [f"and {len(warnings) - MOST_IN_HEADER} more"] if len(warnings) > MOST_IN_HEADER else []
        told = "; ".join((*warnings[:MOST_IN_HEADER], *more))
        headers["x-aisle-warnings"] = told.encode("ascii", "replace").decode()
    return headers
