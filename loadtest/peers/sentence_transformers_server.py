"""A sentence-transformers CrossEncoder (ONNX) behind FastAPI, as people write it: one process, one model, one lock.

It runs in the peer's own environment, which has neither Aisle nor this package: it imports nothing of ours.
"""

from __future__ import annotations

import argparse
import threading

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder


class Rerank(BaseModel):
    """A query and the texts to score for it."""

    query: str
    documents: list[str]


class Reranked(BaseModel):
    """Scores in request order."""

    scores: list[float]


def create_app(model: CrossEncoder, batch_size: int) -> FastAPI:
    """The app; its handlers run in the framework's threads."""
    app = FastAPI()
    # Its tokenizer must not be used by two threads at a time.
    lock = threading.Lock()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/rerank")
    def rerank(body: Rerank) -> Reranked:
        pairs = [(body.query, document) for document in body.documents]
        with lock:
            scores = model.predict(pairs, batch_size=batch_size, show_progress_bar=False)
        return Reranked(scores=scores.tolist())

    return app


def main() -> None:
    """Load the quantised graph and serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    options = parser.parse_args()
    graph = {"file_name": "onnx/model_quantized.onnx", "provider": "CPUExecutionProvider"}
    model = CrossEncoder(options.model, backend="onnx", device="cpu", model_kwargs=graph)
    app = create_app(model, options.batch_size)
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
