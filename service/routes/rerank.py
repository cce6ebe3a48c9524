"""The rerank routes of other servers; see `service.rerank`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from relevance.bundle import Manifest
from service.errors import ServiceError
from service.openapi import rerank_body, rerank_responses
from service.reading import BodyReader
from service.reply import Json
from service.request import Body
from service.rerank.reading import Reranking, RerankReader, no_list, parse_object
from service.rerank.refusal import rerank_refusal
from service.rerank.schemas import DocumentsRequest, TextsRequest, VoyageRequest
from service.rerank.writing import (
    write_array,
    write_cohere_v2,
    write_infinity,
    write_rerank,
    write_results,
    write_voyage,
)
from service.routes.answering import Answering, Read, Write, Written
from service.served import Scored
from service.settings import Settings

WriteDialect = Callable[[Reranking, Json, Scored], Written]


class Dialects:
    """How each route reads a request and writes its reply."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = RerankReader(reader)

    def cohere(self, write: WriteDialect) -> Read:
        """`documents`, and a reply by `write`."""
        return lambda raw: _bound(self._reader.documents(parse_object(raw)), write)

    def voyage(self, raw: bytes) -> tuple[Body, Write]:
        """Voyage's names, in the request and in the reply."""
        return _bound(self._reader.documents(parse_object(raw), VoyageRequest), write_voyage)

    def by_list(self, raw: bytes) -> tuple[Body, Write]:
        """By the name of the list: `texts` are answered with an array, `documents` with an object."""
        sent = parse_object(raw)
        # Typed clients of both kinds send the list that they do not use as null.
        if sent.get("texts") is not None:
            return _bound(self._reader.texts(sent), write_array)
        if sent.get("documents") is None:
            raise no_list()
        return _bound(self._reader.documents(sent), write_rerank)

    def array(self, raw: bytes) -> tuple[Body, Write]:
        """Either list, and an array."""
        sent = parse_object(raw)
        read = self._reader.texts if sent.get("documents") is None else self._reader.documents
        return _bound(read(sent), write_array)


def _bound(asked: Reranking, write: WriteDialect) -> tuple[Body, Write]:
    return asked.body, partial(write, asked)


def rerank_router(reader: BodyReader, answering: Answering, refused: Callable[[str], None]) -> APIRouter:
    """The routes; `refused` is told the code of every refusal."""
    router = APIRouter(tags=["reranking"])
    dialects = Dialects(reader)
    documents, either = [DocumentsRequest], [TextsRequest, DocumentsRequest]

    async def answer(request: Request, read: Read) -> Response:
        try:
            return await answering.answer(request, read)
        except ServiceError as error:
            refused(error.code)
            return rerank_refusal(error)

    def add(path: str, read: Read, models: list[Any], summary: str) -> None:
        async def rerank(request: Request) -> Response:
            return await answer(request, read)

        router.add_api_route(
            path,
            rerank,
            methods=["POST"],
            name=path.strip("/").replace("/", "_"),
            summary=summary,
            responses=rerank_responses(path),
            openapi_extra=rerank_body(path, models),
        )

    add("/v2/rerank", dialects.cohere(write_cohere_v2), documents, "Rerank as Cohere does, version 2.")
    add("/v1/rerank", dialects.cohere(write_results), documents, "Rerank as Cohere, version 1, and Jina do.")
    add("/openai/v1/rerank", dialects.cohere(write_results), documents, "The same under another path.")
    add("/voyage/v1/rerank", dialects.voyage, [VoyageRequest], "Rerank as Voyage does.")
    add("/rerank", dialects.by_list, either, "Rerank as TEI (`texts`), or as vLLM and Infinity do (`documents`).")
    add("/infinity/rerank", dialects.cohere(write_infinity), documents, "Rerank as Infinity does, documents as texts.")
    add("/tei/rerank", dialects.array, either, "Rerank either list, answered with TEI's array.")
    return router


def info_router(manifest: Manifest, settings: Settings) -> APIRouter:
    """`GET /info`, which TEI's clients read."""
    router = APIRouter(tags=["reranking"])

    @router.get("/info", response_model=dict[str, Any])
    async def info() -> JSONResponse:
        """What is served, in TEI's words."""
        return JSONResponse(
            {
                "model_id": manifest.name,
                "model_sha": manifest.version,
                "model_type": {"reranker": {"id2label": {"0": "relevance"}, "label2id": {"relevance": 0}}},
                "max_input_length": manifest.template.max_length,
                "max_client_batch_size": settings.max_candidates,
                "auto_truncate": True,
            }
        )

    return router
