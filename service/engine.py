"""What scores: a checked bundle, opened as its architecture and the settings ask for, and warm."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial

from relevance.bundle import Bundle, load_bundle
from relevance.pair_encoding import PairEncoder
from service.autotune.start import autotune
from service.autotune.tuning import Tuning
from service.backend import OnnxBackend, check_vocabulary, warm_up
from service.cores import usable_cores
from service.cross_encoder import load_backend, load_bucket_runner, open_runner
from service.errors import BackendError, SettingsError
from service.gpu.options import range_of
from service.gpu.placement import Placement, open_placed
from service.gpu.shapes import Ladders, make_shapes
from service.lone import Lone, lone_of
from service.pair import CrossPairing, Pairing
from service.pair_reuse import CrossPairKeys, PairKeys
from service.sessions import Graph
from service.settings import PREFIX, Settings
from service.split.opening import SplitEngine, open_split, split_tuning
from service.split.pairing import SplitPairKeys

logger = logging.getLogger(__name__)

LONE_TOKENS = 32
"""Of the pair by which the threads of a lone micro-batch are chosen: a query and a title."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A checked bundle and a warm backend. `tokens_per_second` is the speed of one session while all of them run.

    `placement` says what the bundle runs on. A micro-batch that runs alone has `lone_threads`. `split` is there
    where the bundle is a split student.
    """

    settings: Settings
    bundle: Bundle
    backend: OnnxBackend
    pairing: Pairing
    keys: PairKeys
    tuning: Tuning
    tokens_per_second: float
    placement: Placement
    lone_threads: int
    split: SplitEngine | None = None


def load(settings: Settings) -> Engine:
    """Check the bundle, choose how to run it, open and warm the backend; raises StartupError or BundleError."""
    bundle = load_bundle(settings.bundle)
    settings.queue_tokens_for(bundle.manifest.template)
    opener = _open_split if bundle.manifest.split else _open_cross_encoder
    opened = open_placed(bundle, settings, partial(opener, bundle, settings))
    fields = {
        "bundle": bundle.manifest.name,
        "version": bundle.manifest.version,
        "architecture": bundle.manifest.architecture,
        "provider": opened.placement.provider,
        "sessions": opened.backend.concurrency,
        "tokens_per_second": round(opened.tokens_per_second),
        "settings": settings.model_dump(mode="json"),
    }
    logger.info("model loaded", extra={"fields": fields})
    return opened


def _open_cross_encoder(bundle: Bundle, settings: Settings, placement: Placement) -> Engine:
    for name, given in (("CATALOGUE", settings.catalogue), ("REDIS_URL", settings.redis_url)):
        if given is not None:
            raise SettingsError(
                f"{PREFIX}{name} holds records of a split student, but {settings.bundle} is none; leave it out"
            )
    encoder = _pair_encoder(bundle)
    graph = placement.graph(bundle.graph_path(placement.precision))
    buckets = settings.use_buckets(graph.on_gpu)
    may_be_wide = not graph.on_gpu and not buckets
    _check_sessions(settings, graph.on_gpu)
    _check_lone_threads(settings, may_be_wide)
    tuning = autotune(bundle, graph, encoder.pad_id, settings)
    lone_threads = tuning.threads
    if buckets:
        backend = _bucketed(graph, encoder, tuning, settings)
    else:
        backend = load_backend(graph.plain(), encoder.pad_id, tuning.layout, settings.batch_seconds)
    check_vocabulary(backend, encoder.largest_id)
    warm_speed = warm_up(backend, bundle.manifest.template.max_length, tuning.micro_batch_tokens)
    if may_be_wide:
        lone = _lone(backend, graph, encoder, tuning, settings)
        backend.lone, lone_threads = lone.runner, lone.threads
    keys = CrossPairKeys(bundle.manifest.version)
    speed = tuning.tokens_per_second or warm_speed
    return Engine(settings, bundle, backend, CrossPairing(encoder), keys, tuning, speed, placement, lone_threads)


def _check_sessions(settings: Settings, on_gpu: bool) -> None:
    if settings.sessions is not None and settings.use_buckets(on_gpu):
        raise SettingsError(
            f"{PREFIX}SESSIONS is for a run without buckets; in buckets {PREFIX}GPU_IN_FLIGHT says how many "
            "micro-batches are under way"
        )


def _check_lone_threads(settings: Settings, may_be_wide: bool) -> None:
    if settings.lone_threads is not None and not may_be_wide:
        raise SettingsError(f"{PREFIX}LONE_THREADS is for a CPU without buckets; leave it out")


def _lone(backend: OnnxBackend, graph: Graph, encoder: PairEncoder, tuning: Tuning, settings: Settings) -> Lone:
    wanted = settings.lone_threads or (None if settings.autotune else tuning.threads)
    length = min(LONE_TOKENS, encoder.template.max_length)
    return lone_of(backend.runner, tuning.layout, partial(open_runner, graph, encoder.pad_id), length, wanted)


def _bucketed(graph: Graph, encoder: PairEncoder, tuning: Tuning, settings: Settings) -> OnnxBackend:
    ladders = Ladders(settings.bucket_lengths, settings.bucket_pairs)
    shapes = make_shapes(encoder.template.max_length, tuning.micro_batch_tokens, ladders)
    if graph.provider == "tensorrt":
        graph = replace(graph, gpu=replace(graph.gpu, shapes=range_of(shapes)))
    runner = load_bucket_runner(graph, encoder.pad_id, tuning.threads, shapes)
    return OnnxBackend(runner, settings.gpu_in_flight, settings.batch_seconds)


def _open_split(bundle: Bundle, settings: Settings, placement: Placement) -> Engine:
    # A captured graph has one shape, and what a request's query gives has as many as a query has lengths.
    for name, given in (("LONE_THREADS", settings.lone_threads), ("CUDA_GRAPHS", settings.cuda_graphs or None)):
        if given is not None:
            raise SettingsError(f"{PREFIX}{name} is for cross-encoders, but {settings.bundle} is a split student")
    encoder = _pair_encoder(bundle)
    on_gpu = placement.provider != "cpu"
    _check_sessions(settings, on_gpu)
    tuning = split_tuning(settings, usable_cores(settings.cores), on_gpu)
    split = open_split(bundle, placement, tuning, settings)
    check_vocabulary(split.backend, encoder.largest_id)
    speed = warm_up(split.backend, bundle.manifest.template.max_length, tuning.micro_batch_tokens)
    pairing, keys, threads = split.pairing, SplitPairKeys(), tuning.threads
    return Engine(settings, bundle, split.backend, pairing, keys, tuning, speed, placement, threads, split)


def _pair_encoder(bundle: Bundle) -> PairEncoder:
    try:
        encoder = bundle.pair_encoder()
        encoder.check_the_unknown()
        return encoder
    except Exception as error:
        # The tokenizers library raises bare Exception for a file that it cannot read.
        raise BackendError(f"the tokenizer of bundle {bundle.directory} cannot be used: {error}") from error
