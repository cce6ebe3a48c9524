"""What a run would do, and about how long it would take on this machine, without writing anything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from torch import Tensor

from relevance.pair_encoding import EncodedPair, PairEncoder
from relevance.product import Product
from training.config import DistillSettings, TeacherSettings
from training.datasets.loading import check_query_logs
from training.datasets.schema import Dataset
from training.models.backbone import load_cross_encoder, load_pair_encoder
from training.models.bi_encoder import BiEncoder, bi_encoder_texts
from training.models.pair_rule import EncoderInput
from training.models.split.start import initial_split, sentence_encoder
from training.optimise.batches import Batch, PairGroup, collate
from training.optimise.losses import pointwise_mse, relevance_logit
from training.optimise.scorers import CrossEncoder
from training.optimise.trainer import Optimisation, TrainingHooks, train
from training.pool.queries import PoolSources
from training.pool.sources import gather_sources
from training.splits import Split
from training.stages import judged_for_teacher, load_split
from training.student import freeze, student_from
from training.teacher.members import for_member, fresh_member

PROBE_TEXTS = 512
PROBE_PAIRS = 512
PROBE_STEPS = 3

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of one run: what is read, and how much work each stage has."""

    judged: int
    held_out: int
    queries: int
    own_queries: int
    general_queries: int
    products: int
    texts: int
    pool_pairs: int
    teacher_pairs: int
    student_pairs: int


@dataclass(frozen=True, slots=True)
class Speeds:
    """Measured here: texts encoded, pairs trained on and pairs labelled a second."""

    texts: float
    teacher_training: float
    labelling: float
    student_training: float


def estimate(settings: DistillSettings, clock: Clock = time.perf_counter) -> str:
    """Read the data, time a few steps of each kind, and tell what the run would be."""
    check_query_logs(settings.query_logs)
    split = load_split(settings)
    plan = plan_run(settings, split, gather_sources(settings, split))
    return describe(plan, probe(settings, split.train, clock))


def plan_run(settings: DistillSettings, split: Split, sources: PoolSources) -> Plan:
    """Count what each stage would work on; the pool's encoding is an upper bound, duplicates fall out of it."""
    teacher, student = settings.teacher, settings.student
    judged = sum(len(dataset.judgements) for dataset in judged_for_teacher(settings, split))
    pool_pairs = len(split.train.judgements) + settings.pool.pairs
    mixed = judged * teacher.judged_epochs / (1.0 - teacher.retention_share)
    seen = pool_pairs * student.epochs
    return Plan(
        judged=len(split.train.judgements),
        held_out=len(split.held_out.judgements),
        queries=len(split.train.by_query()),
        own_queries=len(sources.own_queries) + len(sources.composed),
        general_queries=len(sources.general_queries),
        products=len(sources.products),
        texts=len({text for product in sources.products for text in bi_encoder_texts(product)}),
        pool_pairs=pool_pairs,
        teacher_pairs=min(teacher.warm_up_pairs, pool_pairs // 2) + math.ceil(mixed),
        student_pairs=min(seen, (student.max_steps or seen) * student.pairs_per_batch),
    )


def probe(settings: DistillSettings, dataset: Dataset, clock: Clock) -> Speeds:
    """Time every kind of work on the dataset's own pairs."""
    texts = list(islice((text for p in dataset.products.values() for text in bi_encoder_texts(p)), PROBE_TEXTS))
    bi_encoder = BiEncoder()
    members = [
        _probe_member(settings.teacher, number, dataset, clock) for number in range(len(settings.teacher.members))
    ]
    student = settings.student
    encoder = load_pair_encoder(student.template, student.backbone)
    small = _fresh_student(settings, encoder, dataset)
    freeze(small, student.frozen_layers)
    pairs = EncoderInput(encoder).encode(*_sample(dataset))
    return Speeds(
        texts=len(texts) / _seconds(lambda: bi_encoder.encode(texts), clock),
        # One member is trained, and labels the pool, after another.
        labelling=1.0 / sum(1.0 / labelling for labelling, _ in members),
        student_training=_training_speed(small, pairs, student.pairs_per_batch, clock),
        teacher_training=1.0 / sum(1.0 / training for _, training in members),
    )


def _fresh_student(settings: DistillSettings, rule: PairEncoder, dataset: Dataset) -> CrossEncoder:
    """A student of the run's shape, whatever its weights."""
    student = settings.student
    if student.kind == "split":
        texts = rule.encode_products(list(dataset.products.values())[:PROBE_TEXTS])
        return initial_split(sentence_encoder(student.backbone), student.split, texts, rule)
    return student_from(load_cross_encoder(student.backbone), student.layers)


def _probe_member(settings: TeacherSettings, number: int, dataset: Dataset, clock: Clock) -> tuple[float, float]:
    """Pairs a second that one member of the teacher labels, and trains on."""
    own = for_member(settings, number)
    member = fresh_member(settings.members[number], settings.template, settings.classes)
    queries, products = _sample(dataset)
    labelling = len(queries) / _seconds(lambda: member.logits(queries, products), clock)
    pairs = member.rule.encode(queries, products)
    return labelling, _training_speed(member.model, pairs, own.pairs_per_batch, clock)


def describe(plan: Plan, speeds: Speeds) -> str:
    """The plan for people: counts, then each stage's work, speed and time."""
    stages = (
        ("pool", plan.texts, "texts encoded", speeds.texts),
        ("teacher", plan.teacher_pairs, "pairs trained on", speeds.teacher_training),
        ("labels", plan.pool_pairs, "pairs labelled", speeds.labelling),
        ("student", plan.student_pairs, "pairs trained on", speeds.student_training),
    )
    lines = [
        f"judged pairs: {plan.judged:,} of {plan.queries:,} queries to learn from, {plan.held_out:,} held out",
        f"queries to draw from: {plan.own_queries:,} of the shop, {plan.general_queries:,} general",
        f"products: {plan.products:,}",
        f"pool: {plan.pool_pairs:,} pairs",
        "",
    ]
    lines += [
        f"{name:<8} {work:>12,} {what:<16} at {speed:>8,.0f}/s here: {_minutes(work / speed)}"
        for name, work, what, speed in stages
    ]
    total = sum(work / speed for _, work, _, speed in stages)
    lines.append(f"about {_minutes(total)} together, and a few minutes for evaluation and export; nothing was written")
    return "\n".join(lines)


def _sample(dataset: Dataset) -> tuple[list[str], list[Product]]:
    """Queries and products of some judged pairs, spread over the queries."""
    judgements = dataset.judgements[:: max(1, len(dataset.judgements) // PROBE_PAIRS)]
    products = [dataset.products[judgement.product_id] for judgement in judgements]
    return [judgement.query for judgement in judgements], products


def _training_speed(model: CrossEncoder, pairs: Sequence[EncodedPair], size: int, clock: Clock) -> float:
    """Pairs a second through forward, backward and update. The pairs come sorted, as a run's batches nearly are."""
    ordered = sorted(pairs, key=len)
    chunks = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    batches = [
        collate([PairGroup([pair], np.zeros(1, dtype=np.float32)) for pair in chunk], pad_id=0) for chunk in chunks
    ]
    steps = batches[:: max(1, len(batches) // PROBE_STEPS)]
    seconds = _seconds(lambda: train(model, steps, _loss, Optimisation(1e-6), TrainingHooks()), clock)
    return sum(map(len, steps)) / seconds


def _loss(logits: Tensor, batch: Batch) -> Tensor:
    return pointwise_mse(relevance_logit(logits), batch.targets)


def _seconds(work: Callable[[], object], clock: Clock) -> float:
    """Time of the second call: the first one warms up."""
    work()
    started = clock()
    work()
    return max(clock() - started, 1e-9)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"
