"""Bodies of `POST /score`: what may come in, what goes out.

What comes in is parsed here, strictly, from raw bytes; `service.validation` says what is wrong with a
body that does not parse, and checks the limits of one that does. The reply models exist for the
OpenAPI document: replies are built as plain dicts in `service.reply`, and a test holds them to these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from relevance.product import Product
from service.source import Source

MAX_DEADLINE_MS = 3_600_000
LOWEST_PRIORITY = 999


DeadlineMs = Annotated[
    float,
    Field(
        gt=0,
        le=MAX_DEADLINE_MS,
        allow_inf_nan=False,
        description="Answer within this many milliseconds of arrival, with what is scored by then. "
        "Pairs are scored in the order of `prior`.",
    ),
]
DEADLINE_MS: TypeAdapter[float] = TypeAdapter(DeadlineMs)
"""Parses the value of the header `x-deadline-ms` as the body's field is parsed: a JSON number, strictly."""


class KnownProduct(BaseModel):
    """A product of the service's catalogue, by its id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    prior: Annotated[float, Field(allow_inf_nan=False)] | None = None


def _titled(candidate: object) -> object:
    return {"title": candidate} if isinstance(candidate, str) else candidate


def _kind(candidate: object) -> str:
    if isinstance(candidate, dict):
        return "known" if "id" in candidate and candidate.keys() <= KnownProduct.model_fields.keys() else "product"
    return "known" if isinstance(candidate, KnownProduct) else "product"


CANDIDATE_KINDS = ("product", "known")
"""Tags in the path of an error, behind the candidate's index."""

Candidate = Annotated[
    Annotated[
        Product,
        BeforeValidator(_titled, json_schema_input_type=Annotated[str, Field(min_length=1)] | Product),
        Tag("product"),
    ]
    | Annotated[KnownProduct, Tag("known")],
    Discriminator(_kind),
]
"""A product; a bare string is a product with that title, an id alone one of the catalogue."""


class ScoreRequest(BaseModel):
    """One query and the candidates to score for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    query: Annotated[str, Field(description="What the shopper typed.")]
    candidates: Annotated[
        list[Candidate], Field(description="Products, their titles as bare strings, or ids of the catalogue.")
    ]
    top_k: Annotated[int, Field(ge=1, description="Return only the best k, in rank order.")] | None = None
    deadline_ms: DeadlineMs | None = None
    priority: Annotated[
        int,
        Field(
            ge=0,
            le=LOWEST_PRIORITY,
            description="0 is the most urgent. Waiting work of a lower number always goes first.",
        ),
    ] = 0
    debug: Annotated[bool, Field(description="Add logits, token counts, what was cut, where logits came from.")] = False


class ScoreRequests(BaseModel):
    """Several requests in one body: admitted, timed and answered together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    requests: list[ScoreRequest]


def _shape(body: object) -> str:
    return "several" if isinstance(body, dict) and "requests" in body else "one"


ScoreBody = ScoreRequest | ScoreRequests
SCORE_BODY: TypeAdapter[ScoreBody] = TypeAdapter(
    Annotated[
        Annotated[ScoreRequest, Tag("one")] | Annotated[ScoreRequests, Tag("several")],
        Discriminator(_shape),
    ]
)
"""Parses a body with `validate_json(raw, strict=True)`; every error's path starts with the tag."""


def requests_of(body: ScoreBody) -> Sequence[ScoreRequest]:
    """The requests of a body of either shape."""
    return body.requests if isinstance(body, ScoreRequests) else (body,)


class ModelName(BaseModel):
    """Which bundle scored."""

    name: str
    version: str


class PairDebug(BaseModel):
    """How one pair came to its score; `logit` is null if it was not scored."""

    logit: float | None
    tokens: int
    dropped: Annotated[dict[str, int], Field(description="Tokens cut from the query or a product field.")]
    source: Annotated[
        Source | None, Field(description="What gave the logit: the model, the score cache, or the same pair in flight.")
    ]


class ResultError(BaseModel):
    """Why a candidate has no score."""

    code: Annotated[str, Field(description="Stable; programs decide by it.")]
    detail: str


class Result(BaseModel):
    """One candidate's score. `label` and `id` are absent where there is none.

    A candidate by an id that the catalogue does not know has an `error`, and neither score nor rank.
    """

    index: Annotated[int, Field(description="Position in the request's `candidates`.")]
    id: str | None = None
    score: Annotated[float, Field(ge=0, le=1, description="Probability of relevance.")] | None = None
    label: str | None = None
    rank: Annotated[int, Field(ge=1, description="1 is the best; ties in the logit go by index.")] | None = None
    error: ResultError | None = None
    debug: PairDebug | None = None


class Timing(BaseModel):
    """Milliseconds; the same numbers as in the `x-aisle-*-ms` headers and the histograms."""

    tokenize: float
    queue: Annotated[float, Field(description="From the end of tokenising to the start of the first micro-batch.")]
    inference: Annotated[float, Field(description="From there to the end of the last one.")]
    total: Annotated[float, Field(description="From the request's arrival to the making of this reply.")]


class ReplyDebug(BaseModel):
    """What the scores were made with."""

    template: dict[str, Any]
    calibration: dict[str, Any]
    bundle_version: str


class RequestResults(BaseModel):
    """The results of one request."""

    results: Annotated[
        list[Result],
        Field(description="In request order; with `top_k`, in rank order, candidates with an `error` last."),
    ]
    scored: Annotated[int, Field(ge=0, description="Pairs that the model scored.")]
    total: Annotated[int, Field(ge=1, description="Pairs in the request.")]
    degraded: Annotated[
        bool,
        Field(
            description="True when the deadline left pairs unscored. Those rank below every scored one, in the order "
            "of `prior`, with a score that is lower than every scored one and no `label`."
        ),
    ]
    truncated: Annotated[int, Field(ge=0, description="Pairs of which a budget of the template cut tokens.")]


class ScoreReply(RequestResults):
    """Reply to one request."""

    model: ModelName
    timing_ms: Timing
    debug: ReplyDebug | None = None


class ScoreReplies(BaseModel):
    """Reply to several: `responses[i]` answers `requests[i]`."""

    model: ModelName
    responses: list[RequestResults]
    timing_ms: Timing
    debug: ReplyDebug | None = None


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: Annotated[str, Field(description="A path such as `candidates[3].title`.")]
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details; the body of every reply that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable; programs decide by it.")]
    request_id: str | None
    errors: list[FieldProblem] | None = None
