"""Every setting of a distillation run, checked before anything starts; `config_file.py` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from relevance.bundle import Precision
from relevance.template import FieldBudget, Template
from training.member_settings import EncoderMember, MemberSettings, Name, StrictSettings

BACKBONE_LAYERS = 6
ARRAY_LIMIT = 2**31
"""What is drawn in one go is counted below it: lists and arrays take no number of any size."""

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""torch takes 64 bits, and stages count a little up from it."""
DistillationLoss = Literal["margin_mse", "pointwise_mse", "ranknet", "listwise_kl"]

STUDENT_FIELDS = (
    FieldBudget(field="title", max_tokens=48),
    FieldBudget(field="product_type", max_tokens=8),
    FieldBudget(field="brand", max_tokens=6),
    FieldBudget(field="color", max_tokens=4),
)
STUDENT_TEMPLATE = Template(query_max_tokens=24, fields=STUDENT_FIELDS)
TEACHER_TEMPLATE = Template(
    query_max_tokens=24,
    # As in the paper, only the teacher reads the long text: the student has a latency budget.
    fields=(
        *STUDENT_FIELDS,
        FieldBudget(field="description", max_tokens=40),
        FieldBudget(field="attributes", max_tokens=16),
    ),
)


SPLIT_DEFAULTS: dict[str, Any] = {
    # Offline the long text costs nothing: a split student reads all that the teacher reads.
    "template": TEACHER_TEMPLATE,
    "frozen_layers": 2,
    "learning_rate": 1e-4,
}
"""What a student of kind `split` has where nothing is said."""


CROSS_ENCODERS_ONLY = ("layers", "initialise_from")
"""What a student of kind `split` does not read."""


class TeacherSettings(StrictSettings):
    """Fine-tuning of the teacher's members, and their weight against the zero-shot bi-encoder."""

    template: Template = TEACHER_TEMPLATE
    members: Annotated[tuple[MemberSettings, ...], Field(min_length=1)] = (EncoderMember(),)
    """The cross-encoders whose mean logit is the teacher's, each trained by itself."""
    classes: Annotated[int, Field(ge=1)] = 1
    """1: one logit and soft-target BCE; K ≥ 2: K equally spaced grades and soft cross-entropy."""
    warm_up_pairs: Annotated[int, Field(ge=0)] = 2_000
    """Pool pairs by which a member first learns the bi-encoder's logits, at most half of those it gets; 0: none."""
    judged_epochs: Positive = 2
    """How many times the judged pairs are gone through."""
    retention_share: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of the batches after the warm-up that hold it to the bi-encoder's logits, as far as the pool suffices."""
    pairs_per_batch: Positive = 32
    """Pairs of a step, of any queries, for members that do not say otherwise."""
    micro_batch_pairs: Positive | None = None
    """As in the student's settings."""
    learning_rate: Rate = 1e-4
    """The peak, after a linear warm-up, for members that do not say otherwise."""
    synthetic_judged_queries: Annotated[int, Field(ge=0)] = 150
    """Judged queries of the synthetic catalogue learnt beside the data's own; none where `data` is synthetic itself."""
    cross_encoder_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of the members' mean logit in the teacher's; the rest is the zero-shot bi-encoder's."""

    @property
    def needs_pool(self) -> bool:
        """Whether any of its lessons is drawn from the pool."""
        return bool(self.warm_up_pairs or self.retention_share)


class PoolSettings(StrictSettings):
    """Size and composition of the unlabelled pool."""

    pairs: Annotated[int, Field(ge=1, lt=ARRAY_LIMIT)] = 24_000
    """Pairs that are drawn beside the judged ones, rounded up to whole queries."""
    candidates_per_query: Annotated[int, Field(ge=2, lt=ARRAY_LIMIT)] = 16
    """Products that a drawn query is paired with, each time that it is drawn."""
    retrieval_depth: Positive = 100
    """Products that each retriever ranks for a query; lexical, dense and disagreeing candidates are of these."""
    own_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the drawn queries that are the shop's own, composed ones too; all where there are no general ones."""
    synthetic_products: Annotated[int, Field(ge=0)] = 6_000
    """Products of the synthetic catalogue among the candidates."""
    synthetic_queries: Annotated[int, Field(ge=0)] = 3_000
    """Queries of the synthetic catalogue among the general ones."""
    composed_per_query: Annotated[int, Field(ge=0)] = 3
    """Products made up for each query of `query_logs`, at most: titles of its words and others."""
    lexical_share: Share = 0.25
    """Share of a query's candidates from BM25's ranking."""
    dense_share: Share = 0.25
    """Share from the bi-encoder's ranking."""
    disagreement_share: Share = 0.15
    """Share of a query's candidates that one retriever ranks high and the other low or not at all."""
    category_share: Share = 0.15
    """Share drawn from the query's category. What the four shares leave is random: plainly irrelevant, mostly."""
    composed_share: Share = 0.5
    """Share of the shop's own queries that is composed from its catalogue, more where judgements and log are few."""
    attribute_share: Share = 0.6
    """Share of the composed queries made of attributes and constraints; the others are phrases of titles."""
    misspelt_share: Share = 0.1
    """Share of the composed queries that is misspelt."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        total = self.lexical_share + self.dense_share + self.disagreement_share + self.category_share
        if total > 1.0 + 1e-9:
            raise ValueError(
                "lexical_share, dense_share, disagreement_share and category_share of the pool must not exceed 1 "
                f"together, they are {total:g}"
            )
        return self


class SplitSettings(StrictSettings):
    """The shape of a split student: one encoder for queries and products, joint layers, a head."""

    joint_layers: Annotated[int, Field(ge=1, le=3)] = 1
    """How many layers of attention from the query's tokens to the product's; the last is for [CLS] alone."""
    encoder_layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    """Which layers encode a text, numbered from 0; None: all. One left out of the middle costs less than the last."""
    latent_width: Annotated[int, Field(ge=16, le=1024)] = 128
    """Numbers kept of each product token, one byte each."""
    joint_units: Positive | None = None
    """Units of each joint layer's feed-forward part, most of its work online; None: as many as the encoder's layers."""
    units_left: Positive | None = None
    """So many of them are left when all is learnt: those that can do the work of all. None: all."""
    start: Literal["sentence-encoder", "teacher"] = "sentence-encoder"
    """Whose layers the encoder and the joint layers start from."""
    joint_start: Literal["encoder", "random"] = "encoder"
    """Whether the joint layers start as copies of the layers above the encoder's, or of its last ones."""
    match_vector: bool = True
    """A learned vector for query tokens that occur in the product."""
    late_interaction: bool = True
    """Cosine, MaxSim and the share of matched tokens as features of the head."""
    fitted_head: bool = True
    """The head starts as the least-squares fit of the teacher's margins by those features: its joint part at zero."""
    joint_rate: Annotated[float, Field(gt=0)] = 3.0
    """Learning rate of the joint layers and the head, in learning rates of the encoder."""

    @model_validator(mode="after")
    def _encoder_layers_ascend(self) -> Self:
        if self.encoder_layers is not None and list(self.encoder_layers) != sorted(set(self.encoder_layers)):
            raise ValueError(f"student.split.encoder_layers must be distinct and ascending, got {self.encoder_layers}")
        return self

    @model_validator(mode="after")
    def _fewer_units_are_left(self) -> Self:
        if self.joint_units is not None and (self.units_left or 0) > self.joint_units:
            raise ValueError(
                f"student.split.units_left is {self.units_left}, but student.split.joint_units only {self.joint_units}"
            )
        return self

    @property
    def scores_at_its_start(self) -> bool:
        """Whether the student ranks like the sentence encoder before it learns."""
        return self.late_interaction and self.fitted_head


class StudentSettings(StrictSettings):
    """The student's shape and its distillation."""

    kind: Literal["cross-encoder", "split"] = "cross-encoder"
    """`split`: the product side is computed once, and CROSS_ENCODERS_ONLY do not apply."""
    split: SplitSettings = SplitSettings()
    template: Template = STUDENT_TEMPLATE
    initialise_from: Literal["teacher", "backbone"] = "teacher"
    """Whose layers it starts from: those of the teacher's first member, if that is a BERT, or its backbone's."""
    backbone: Name | None = None
    """The BERT whose tokenizer it reads with (and whose layers it may start from); None: the packaged MiniLM."""
    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 2, 5)
    """Which layers of the model it starts from it keeps, numbered from 0."""
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """How many of the lowest layers stay as the student starts with them, beside the embeddings, which always do."""
    epochs: Positive = 1
    """How many times the pool is gone through."""
    max_steps: Positive | None = None
    """Ends training early, with the learning rate at zero; None: all epochs."""
    initial_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the weights it started from that is averaged into the trained ones: keeps more of what the
    teacher knew of the rest of the shop. Only for a student that scores before it learns: a cross-encoder with all
    of the teacher's layers, or a split student with a fitted head."""
    pairs_per_batch: Positive = 64
    """Pairs of a step, about: whole queries."""
    micro_batch_pairs: Positive | None = None
    """Pairs that go through the model at once, in whole queries: less memory, the same gradient. None: the batch."""
    learning_rate: Rate = 2e-4
    """The peak, after a linear warm-up."""
    loss: DistillationLoss = "margin_mse"
    anchor: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the MSE to the teacher's logits beside a loss that leaves a query's absolute score free: all
    but `pointwise_mse`, which is that MSE."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Softens both sides of `listwise_kl`; the other losses have none."""
    human_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the soft-target BCE to people's judgements, on the judged pairs of the pool."""
    overlap_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of telling which share of the query's words the product's short fields hold: an auxiliary head on [CLS],
    thrown away after training (student/auxiliary.py)."""
    match_weight: Annotated[float, Field(ge=0)] = 0.0
    """The same of the words that name the product's brand, type, colour or another property."""
    title_only_share: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Share of the queries, other ones in each epoch, whose products are read by their titles alone."""

    @property
    def auxiliary_weights(self) -> tuple[float, float] | None:
        """Of the two auxiliary tasks; None where the student learns neither."""
        weights = (self.overlap_weight, self.match_weight)
        return weights if any(weights) else None

    @model_validator(mode="after")
    def _title_only_needs_a_title(self) -> Self:
        if self.title_only_share and all(budget.field != "title" for budget in self.template.fields):
            raise ValueError(
                f"student.title_only_share is {self.title_only_share:g}, but student.template has no field 'title', so "
                "nothing would be left of a product; add it, or set student.title_only_share to 0"
            )
        return self

    @model_validator(mode="after")
    def _auxiliary_heads_read_a_pair(self) -> Self:
        if self.kind == "split" and self.auxiliary_weights:
            raise ValueError(
                "student.overlap_weight and student.match_weight are for cross-encoders: a split student has features "
                "of its own for what a product repeats (student.split.late_interaction)"
            )
        return self

    @model_validator(mode="after")
    def _averages_with_what_scores(self) -> Self:
        if not self.initial_share:
            return self
        if self.kind == "split":
            if not self.split.scores_at_its_start:
                raise ValueError(
                    "student.initial_share needs a split student that scores at its start: leave "
                    "student.split.late_interaction and student.split.fitted_head on"
                )
            return self
        if self.initialise_from == "backbone":
            raise ValueError("student.initial_share needs a student that starts from the teacher, which scores already")
        if self.backbone is None and len(self.layers) < BACKBONE_LAYERS:
            raise ValueError(
                "student.initial_share needs all layers: a student of a few does not score before training"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, given: Any) -> Any:
        return {**SPLIT_DEFAULTS, **given} if isinstance(given, dict) and given.get("kind") == "split" else given

    @model_validator(mode="after")
    def _layers_ascend(self) -> Self:
        if list(self.layers) != sorted(set(self.layers)):
            raise ValueError(f"student.layers must be distinct and ascending, got {self.layers}")
        beyond = [number for number, layer in enumerate(self.layers) if layer >= BACKBONE_LAYERS]
        if beyond and self.backbone is None:
            raise ValueError(
                f"student.layers.{beyond[0]} is {self.layers[beyond[0]]}, but the packaged MiniLM has layers 0 to "
                f"{BACKBONE_LAYERS - 1}; name a deeper student.backbone"
            )
        if self.kind == "cross-encoder" and self.frozen_layers >= len(self.layers):
            raise ValueError(f"student.frozen_layers is {self.frozen_layers}, but there are {len(self.layers)} layers")
        return self


class LabellingSettings(StrictSettings):
    """Where and in what pieces the pool is labelled. Decides no weight: the logits differ by rounding at most."""

    engine: Literal["local", "ray"] = "local"
    """`local`: in this process. `ray`: on the cluster at RAY_ADDRESS, or on a Ray of this machine's own."""
    pairs_per_shard: Positive = 8_192
    """What a killed run loses at most, and what one worker takes at a time; a run keeps what it began with."""
    ray_workers: Positive = 2
    ray_cpus_per_worker: Positive = 1
    """Also the threads of torch in each worker."""
    ray_gpus_per_worker: Annotated[float, Field(ge=0)] = 1.0
    """Only where the cluster has GPUs."""


class DistillSettings(StrictSettings):
    """One run: `data` is `synthetic` or READER:DIR, the readers being those of `training/datasets/loading.py`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = "aisle-student"
    data: str = "synthetic"
    query_logs: tuple[Path, ...] = ()
    """Files of queries that nobody judged, for the pool (`training/datasets/query_log.py`)."""
    seed: Seed = 0
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("int8",)
    """Of the graphs in the bundle."""
    held_out_fraction: Fraction = 0.25
    """Share of the queries that no stage learns from; not for data with a split of its own."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which `held_out_fraction` of the shuffled queries is held out; 0, 1, 2 ... for cross-validation."""
    split_seed: Seed | None = None
    """Shuffles the queries before the split; None: `seed`. Folds of one cross-validation share it."""
    synthetic_judged_queries: Annotated[int, Field(ge=0)] = 300
    """How many judged queries are made up where `data` is synthetic."""
    licences: tuple[str, ...] = ()
    """Lines added to the bundle's, for data that Aisle does not know."""
    teacher: TeacherSettings = TeacherSettings()
    pool: PoolSettings = PoolSettings()
    student: StudentSettings = StudentSettings()
    labelling: LabellingSettings = LabellingSettings()

    @model_validator(mode="after")
    def _student_has_a_start(self) -> Self:
        if self.student.kind == "split":
            if self.student.split.start == "teacher" and self.teacher.members[0].kind != "encoder":
                raise ValueError(
                    "student.split.start is 'teacher', but the teacher's first member is a decoder, whose layers "
                    "are no BERT's; set it to 'sentence-encoder'"
                )
            return self
        if self.student.initialise_from == "teacher" and self.teacher.members[0].kind != "encoder":
            raise ValueError(
                "student.initialise_from is 'teacher', but the teacher's first member is a decoder, whose layers are "
                "no BERT's; set it to 'backbone'"
            )
        return self

    def weight_settings(self) -> dict[str, Any]:
        """The settings that decide the weights, as JSON: not names, licences, graphs, nor where a file lies.

        Nor the size of micro-batches: the gradient is the same, so a run may go on with less memory.
        """
        content = self.public()
        for name in ("name", "licences", "precisions", "labelling"):
            del content[name]
        for model in ("teacher", "student"):
            del content[model]["micro_batch_pairs"]
        return content

    def public(self) -> dict[str, Any]:
        """The settings as JSON for a bundle's manifest: file names, but no paths of this machine."""
        content = self.model_dump(mode="json")
        reader, separator, place = self.data.partition(":")
        content["data"] = f"{reader}{separator}{_own_name(place)}" if place else self.data
        content["query_logs"] = [path.name for path in self.query_logs]
        for owner in (*content["teacher"]["members"], content["student"]):
            owner["backbone"] = _without_folders(owner["backbone"])
        return content

    def with_absolute_paths(self) -> dict[str, Any]:
        """The settings as JSON for this machine: what they name is found from any folder."""
        content = self.model_dump(mode="json")
        reader, separator, place = self.data.partition(":")
        content["data"] = f"{reader}{separator}{Path(place).absolute()}" if place else self.data
        content["query_logs"] = [str(path.absolute()) for path in self.query_logs]
        for owner in (*content["teacher"]["members"], content["student"]):
            if _is_folder(owner["backbone"]):
                owner["backbone"] = str(Path(owner["backbone"]).absolute())
        return content


def _without_folders(backbone: str | None) -> str | None:
    """A directory's own name; a name on the hub stays, slash and all."""
    return _own_name(backbone) if backbone is not None and _is_folder(backbone) else backbone


def _own_name(place: str) -> str:
    """A folder's name however it is given: "." has none, and is the same run as its absolute path."""
    return Path(place).absolute().name


def _is_folder(backbone: str | None) -> bool:
    """Whether it is a directory of this machine, there or not, and no name on the hub."""
    return backbone is not None and (Path(backbone).is_absolute() or Path(backbone).is_dir())
