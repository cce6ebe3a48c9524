"""The rerank dialects of other servers, so that clients written for those can be pointed here.

A dialect is a way to write the same things: a query, documents, and how well each suits. A request goes through
`schemas.py` (as it is sent), `documents.py` (a document as a product), `reading.py` (as a body of ours), the stages of
every request, and `writing.py` (our reply in the dialect's words). A refusal is worded by `refusal.py`.

| route | request | reply |
| --- | --- | --- |
| `/v2/rerank` | Cohere, version 2 | `results` of `relevance_score` |
| `/v1/rerank`, `/openai/v1/rerank` | Cohere, version 1, and Jina: one path | the same, with `model` and `usage` |
| `/voyage/v1/rerank` | Voyage | `data` in the place of `results`, a `document` is its text |
| `/rerank` | `texts`: Text Embeddings Inference | an array |
| `/rerank` | `documents`: vLLM, Infinity | as `/v1/rerank`, with the `object` of Infinity |
| `/infinity/rerank` | `documents` (LiteLLM's `infinity` provider) | as `/rerank`, a `document` is its text |
| `/tei/rerank` | `texts` or `documents` (Elasticsearch's `hugging_face` service) | an array |
"""
