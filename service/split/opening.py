"""From a split student's bundle to its backend and its pairing."""

from __future__ import annotations

from dataclasses import dataclass

import onnxruntime as ort

from relevance.bundle import Bundle, SplitPart
from relevance.catalogue import Catalogue, CatalogueError
from relevance.split_graphs import PRODUCT_INPUTS
from relevance.split_pair import SplitPairEncoder
from relevance.units import MEBIBYTE
from service.autotune.plan import DEFAULT_MICRO_BATCH_TOKENS, GPU_MICRO_BATCH_TOKENS
from service.autotune.tuning import Tuning
from service.backend import OnnxBackend
from service.catalogue_reload import CatalogueFollower
from service.errors import BackendError
from service.gpu.placement import Placement
from service.gpu.shapes import Ladders
from service.product_store import ProductStore
from service.row_groups import grouping_for
from service.sessions import open_session
from service.settings import PREFIX, Settings
from service.split.buckets import BucketedGraphs, split_shapes
from service.split.graphs import PlainGraphs, SplitGraphs, SplitSessions
from service.split.pairing import SplitPairing
from service.split.query_cache import QueryCache
from service.split.runner import SplitRunner
from service.split.shared import SharedRecords, open_shared


@dataclass(frozen=True, slots=True)
class SplitEngine:
    """The parts of serving a split student; `runner` and `queries` are shown in the metrics."""

    backend: OnnxBackend
    pairing: SplitPairing
    store: ProductStore
    queries: QueryCache
    runner: SplitRunner
    follower: CatalogueFollower | None
    """Looks for another catalogue, where there is one."""
    shared: SharedRecords | None
    """What replicas share, where there is such a thing."""

    def start(self) -> None:
        """Write to what is shared from now on."""
        if self.shared is not None:
            self.shared.writer.start()

    def close(self) -> None:
        """End what belongs to it alone."""
        if self.shared is not None:
            self.shared.close()


def split_tuning(settings: Settings, cores: int, on_gpu: bool) -> Tuning:
    """How to run it: by settings, else a session for each core, as a pair is too little work to share.

    In buckets one run is on the device while others are prepared.
    """
    threads = settings.threads or 1
    sessions = settings.sessions or max(1, cores // threads)
    if settings.use_buckets(on_gpu):
        sessions = settings.gpu_in_flight
    default = GPU_MICRO_BATCH_TOKENS if on_gpu else DEFAULT_MICRO_BATCH_TOKENS
    return Tuning(sessions=sessions, threads=threads, micro_batch_tokens=settings.micro_batch_tokens or default)


def open_split(bundle: Bundle, placement: Placement, tuning: Tuning, settings: Settings) -> SplitEngine:
    """Open the three graphs; BackendError if one does not load, or if the catalogue belongs to another encoder."""
    version = bundle.encoder_version(placement.precision)
    encoder = SplitPairEncoder(bundle.tokenizer(), bundle.manifest.template, version)
    assert bundle.manifest.split is not None
    shared = open_shared(settings, bundle.manifest.split.latent_width, tuning.sessions)
    memory_bytes, writer = settings.product_cache_mb * MEBIBYTE, shared.writer if shared else None
    store = ProductStore(memory_bytes, _open_catalogue(settings, version), writer)
    graphs = _open_graphs(bundle, placement, tuning, settings, encoder.pad_id)
    queries = QueryCache(graphs, settings.query_cache_mb * MEBIBYTE)
    runner = SplitRunner(graphs, queries, store, encoder)
    backend = OnnxBackend(runner, tuning.sessions, settings.batch_seconds)
    pairing = SplitPairing(encoder, store, queries, bundle.manifest.version)
    follower = CatalogueFollower(store, settings.catalogue, version) if settings.catalogue else None
    return SplitEngine(backend, pairing, store, queries, runner, follower, shared)


def _open_graphs(bundle: Bundle, placement: Placement, tuning: Tuning, settings: Settings, pad_id: int) -> SplitGraphs:
    def session(part: SplitPart) -> ort.InferenceSession:
        return open_session(placement.graph(bundle.split_path(placement.precision, part)), tuning.threads)

    sessions = SplitSessions(session("encoder"), session("query"), session("joint"))
    _check_they_fit(sessions, bundle)
    template, on_gpu = bundle.manifest.template, placement.provider != "cpu"
    if not settings.use_buckets(on_gpu):
        return PlainGraphs(sessions, pad_id, grouping_for(on_gpu))
    ladders = Ladders(settings.bucket_lengths, settings.bucket_pairs)
    graphs = BucketedGraphs(sessions, pad_id, split_shapes(template, tuning.micro_batch_tokens, ladders))
    try:
        graphs.warm(template.query_max_tokens)
    except BaseException:
        graphs.close()
        raise
    return graphs


def _check_they_fit(sessions: SplitSessions, bundle: Bundle) -> None:
    """BackendError if the joint graph reads anything but the query's constants and what is known of products."""
    given = {item.name for item in sessions.query.get_outputs()} | set(PRODUCT_INPUTS)
    if {item.name for item in sessions.joint.get_inputs()} != given:
        raise BackendError(f"bundle {bundle.directory} was exported by another version of Aisle; export it again")


def _open_catalogue(settings: Settings, encoder_version: str) -> Catalogue | None:
    if settings.catalogue is None:
        return None
    try:
        return Catalogue.open(settings.catalogue, encoder_version)
    except CatalogueError as error:
        raise BackendError(f"{PREFIX}CATALOGUE cannot be used: {error}") from error
