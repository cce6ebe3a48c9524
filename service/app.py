"""Puts the service together: the stages of a request around a loaded engine, and a door."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from relevance import __version__
from relevance.units import MEBIBYTE
from service.admission import Admission
from service.batch_queue import BatchLimits, BatchQueue
from service.batcher import Batcher
from service.caches import ScoreCache, TokenCache
from service.candidate_cache import CandidateCache
from service.catalogue_reload import follow
from service.engine import Engine
from service.engine_speed import EngineSpeed
from service.errors import ServiceError, SettingsError, error_response, http_error_response
from service.gpu.bucket_runner import BucketRunner
from service.group.member import Member
from service.group.siblings import Siblings
from service.health import Health
from service.job import Job
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.middleware import RequestScope
from service.openapi import install_openapi
from service.pair_reuse import PairReuse
from service.reading import BodyReader
from service.reply import ReplyMaker
from service.routes.answering import Answering
from service.routes.health import health_router
from service.routes.metrics import metrics_router
from service.routes.rerank import info_router, rerank_router
from service.routes.score import score_router
from service.scorer import Scorer, Stages
from service.served import RequestObserver
from service.settings import Settings
from service.shortcut import Shortcut
from service.tokenization import TextCaches, Tokenization
from service.validation import Limits
from service.watching import watch_service

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that outlive a request."""

    engine: Engine
    lifecycle: Lifecycle
    reader: BodyReader
    stages: Stages
    observer: RequestObserver | None = None
    member: Member | None = None
    """Its place among the replicas behind one port, if it is one of them."""

    async def drain(self) -> None:
        """Refuse new requests, wait for accepted ones; fail those that are left after `drain_seconds`."""
        self.lifecycle.start_draining()
        try:
            await asyncio.wait_for(self.lifecycle.drained(), self.engine.settings.drain_seconds)
        except TimeoutError:
            if self.lifecycle.in_flight:
                logger.warning("drain time is over", extra={"fields": {"unanswered": self.lifecycle.in_flight}})
            await self.stages.batcher.stop()

    async def give_up(self) -> None:
        """Fail the accepted requests that are left, at once."""
        if self.lifecycle.in_flight:
            logger.warning("asked to end again", extra={"fields": {"unanswered": self.lifecycle.in_flight}})
        await self.stages.batcher.stop()

    async def close(self) -> None:
        """End the loop and the threads."""
        await self.stages.batcher.stop()
        self.stages.tokenization.close()
        self.engine.backend.close()
        if self.engine.split is not None:
            self.engine.split.close()
        if self.observer is not None:
            self.observer.close()


def create_service(engine: Engine, member: Member | None = None) -> Service:
    """Wire the stages of a request; raises SettingsError where tracing is asked for and cannot work."""
    settings, manifest, backend = engine.settings, engine.bundle.manifest, engine.backend
    metrics, lifecycle = Metrics(), Lifecycle()
    texts, scores = _caches(settings, metrics)
    queue: BatchQueue[Job] = BatchQueue(batch_limits(engine))
    reuse = PairReuse(engine.keys, scores)
    speed = EngineSpeed(engine.tuning.sessions, engine.tokens_per_second)
    batcher = Batcher(backend, queue, reuse, [metrics, speed])
    capacity = settings.queue_tokens_for(manifest.template)
    admission = Admission(manifest.template, capacity, speed, batcher.tokens_ahead)
    stages = Stages(
        admission=admission,
        tokenization=Tokenization(engine.pairing, backend.concurrency, texts),
        batcher=batcher,
        replies=ReplyMaker(manifest),
        metrics=metrics,
    )
    metrics.model_loaded(manifest.name, manifest.version)
    metrics.engine_tuned(engine.tuning, engine.lone_threads)
    metrics.engine_placed(engine.placement)
    watch_service(metrics, engine, lifecycle, queue, admission)
    limits = Limits(settings.max_candidates, settings.max_text_chars, catalogue=settings.catalogue is not None)
    reader = BodyReader(limits, manifest.template, texts.candidates)
    return Service(engine, lifecycle, reader, stages, _open_tracing() if settings.tracing else None, member)


def batch_limits(engine: Engine) -> BatchLimits:
    """Micro-batches that a bucket holds, where there are buckets, and parts for every session, where each has cores."""
    runner, tokens = engine.backend.runner, engine.tuning.micro_batch_tokens
    if isinstance(runner, BucketRunner):
        return BatchLimits(tokens, widths=runner.shapes.lengths)
    # A split student's list is too little work to be shared, and a GPU is one for all.
    shared = engine.placement.provider == "cpu" and engine.split is None
    return BatchLimits(tokens, sessions=engine.tuning.sessions if shared else 1)


def _open_tracing() -> RequestObserver:
    try:
        from service.tracing import open_recorder  # noqa: PLC0415  # an extra that only tracing needs
    except ImportError as error:
        raise SettingsError(f"AISLE_TRACING is on, but {error.name} is missing; install the extra 'otel'") from error
    except ValueError as error:
        # The packages read some of their variables when they are imported.
        raise SettingsError(f"AISLE_TRACING is on, but {error}") from error
    return open_recorder()


def _caches(settings: Settings, metrics: Metrics) -> tuple[TextCaches, ScoreCache | None]:
    tokens = TokenCache(settings.token_cache_mb * MEBIBYTE) if settings.token_cache_mb else None
    candidates = CandidateCache(settings.candidate_cache_mb * MEBIBYTE) if settings.candidate_cache_mb else None
    scores = None
    if settings.score_cache_mb:
        scores = ScoreCache(settings.score_cache_mb * MEBIBYTE, settings.score_cache_seconds)
    for name, cache in (("token", tokens), ("candidate", candidates), ("score", scores)):
        if cache is not None:
            metrics.watch_cache(name, cache)
    if candidates is not None:
        metrics.watch_total(
            "aisle_candidate_cache_evictions", "Candidates that had to go.", lambda: candidates.evictions
        )
    return TextCaches(tokens, candidates), scores


def _follow_catalogue(engine: Engine) -> asyncio.Task[None] | None:
    if engine.split is None or engine.split.follower is None:
        return None
    wait = partial(asyncio.sleep, engine.settings.catalogue_reload_seconds)
    return asyncio.create_task(follow(engine.split.follower, wait), name="catalogue")


def create_app(service: Service) -> FastAPI:
    """The ASGI app. Its lifespan starts the batching loop, and ends it."""
    settings, stages, lifecycle = service.engine.settings, service.stages, service.lifecycle
    health = Health(lifecycle, stages.admission, stages.batcher, service.engine.backend)
    placement = service.engine.placement

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stages.batcher.start()
        if service.engine.split is not None:
            service.engine.split.start()
        following = _follow_catalogue(service.engine)
        yield
        if following is not None:
            following.cancel()
        await service.close()

    app = FastAPI(
        title="Aisle",
        version=__version__,
        description="Scores products for a query.",
        lifespan=lifespan,
        # A redirect would name this process's scheme, and a client behind a proxy would leave HTTPS.
        redirect_slashes=False,
        # FastAPI's own spans would double ours, and its looking for somebody who wants them costs every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    answering = Answering(Scorer(stages), lifecycle, settings)
    scoring = score_router(service.reader, answering)
    app.include_router(scoring)
    app.include_router(rerank_router(service.reader, answering, stages.metrics.refused))
    app.include_router(info_router(service.engine.bundle.manifest, settings))
    app.include_router(health_router(health, placement))
    app.include_router(metrics_router(stages.metrics, Siblings(service.member) if service.member else None))

    def refuse(error: ServiceError) -> Response:
        stages.metrics.refused(error.code)
        return error_response(error)

    (score_route,) = (route for route in scoring.routes if isinstance(route, APIRoute))
    app.add_middleware(Shortcut, route=score_route, refuse=refuse)
    app.add_middleware(RequestScope, metrics=stages.metrics, observer=service.observer)
    install_openapi(app, with_keys=bool(settings.api_keys))

    @app.exception_handler(ServiceError)
    async def on_service_error(_: Request, error: ServiceError) -> Response:
        return refuse(error)

    @app.exception_handler(HTTPException)
    async def on_http_error(_: Request, error: HTTPException) -> Response:
        return http_error_response(error.status_code, error.headers)

    return app
