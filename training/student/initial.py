"""The student before it learns: layers of the teacher's first member, or of a pretrained BERT."""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification

from relevance.product import Product
from training.config import DistillSettings
from training.errors import ConfigError
from training.models.backbone import backbone_config, load_cross_encoder, load_pair_encoder, tokenizer_file
from training.models.split.start import SAMPLE, initial_split, sentence_encoder
from training.optimise.scorers import CrossEncoder
from training.student.distillation import student_from
from training.teacher import Teacher


def check_start(settings: DistillSettings) -> None:
    """Refuse a student that can not be made, before a teacher has been trained for hours; ConfigError says why."""
    student = settings.student
    if student.kind == "split":
        _check_split(settings)
    elif student.initialise_from == "backbone":
        _check_layers(student.backbone, settings, "student.backbone")
    else:
        source = settings.teacher.members[0].backbone
        _check_layers(source, settings, "the teacher's first member")
        if tokenizer_digest(source) != tokenizer_digest(student.backbone):
            raise ConfigError(
                f"student.backbone is {student.backbone or 'the packaged MiniLM'}, whose tokenizer is not that of the "
                f"teacher's first member, {source or 'the packaged MiniLM'}: its layers could not read the student's "
                "tokens; name the same backbone for both, or set student.initialise_from = 'backbone'"
            )
    # Special tokens: refused now too.
    load_pair_encoder(student.template, student.backbone)


def initial_student(teacher: Teacher, settings: DistillSettings, products: Sequence[Product] = ()) -> CrossEncoder:
    """The chosen layers with a head of one logit, or a split student, whose latents are chosen by `products`."""
    if settings.student.kind == "split":
        return _initial_split(teacher, settings, products)
    return _initial_cross_encoder(teacher, settings)


def _initial_split(teacher: Teacher, settings: DistillSettings, products: Sequence[Product]) -> CrossEncoder:
    student = settings.student
    torch.manual_seed(settings.seed)
    if student.split.start == "teacher":
        first = teacher.members[0].model
        if not isinstance(first, BertForSequenceClassification):
            raise ConfigError("student.split.start is 'teacher', but the teacher's first member is no BERT")
        encoder = copy.deepcopy(first.bert)
        encoder.pooler = None
    else:
        encoder = sentence_encoder(student.backbone)
    rule = load_pair_encoder(student.template, student.backbone)
    chosen = random.Random(settings.seed).sample(list(products), min(len(products), SAMPLE))
    return initial_split(encoder, student.split, rule.encode_products(chosen), rule)


def _initial_cross_encoder(teacher: Teacher, settings: DistillSettings) -> BertForSequenceClassification:
    layers = settings.student.layers
    if settings.student.initialise_from == "backbone":
        # For the new head.
        torch.manual_seed(settings.seed)
        return student_from(load_cross_encoder(settings.student.backbone), layers)
    first = teacher.members[0].model
    if not isinstance(first, BertForSequenceClassification):
        raise ConfigError("student.initialise_from is 'teacher', but the teacher's first member is no BERT")
    student = student_from(first, layers)
    if settings.teacher.classes > 1:
        _keep_one_logit(student)
    return student


def _check_split(settings: DistillSettings) -> None:
    student = settings.student
    source = settings.teacher.members[0].backbone if student.split.start == "teacher" else student.backbone
    config = backbone_config(source)
    if config.model_type != "bert":
        raise ConfigError(f"a split student starts from a BERT, but {source} is a {config.model_type}")
    if student.split.joint_layers > config.num_hidden_layers:
        raise ConfigError(
            f"student.split.joint_layers is {student.split.joint_layers}, but the encoder has only "
            f"{config.num_hidden_layers} layers to start them from"
        )
    for name in ("joint_units", "units_left"):
        units = getattr(student.split, name) or 0
        if units > config.intermediate_size:
            raise ConfigError(
                f"student.split.{name} is {units}, but the encoder's layers have only {config.intermediate_size}"
            )
    kept = student.split.encoder_layers or ()
    if max(kept, default=0) >= config.num_hidden_layers:
        raise ConfigError(
            f"student.split.encoder_layers is {kept}, but the encoder has layers 0 to {config.num_hidden_layers - 1}"
        )
    if student.split.start == "teacher" and tokenizer_digest(source) != tokenizer_digest(student.backbone):
        raise ConfigError("student.split.start is 'teacher', whose tokenizer is not the student's")


def tokenizer_digest(backbone: str | None) -> str:
    """sha256 of a tokenizer without its settings for truncation and padding, which the pair rule ignores."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file(backbone)))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()


def _check_layers(backbone: str | None, settings: DistillSettings, owner: str) -> None:
    config = backbone_config(backbone)
    if config.model_type != "bert":
        raise ConfigError(
            f"student.initialise_from is {settings.student.initialise_from!r}, but {owner} is a {config.model_type}; "
            "students are BERTs: set it to 'backbone' and name a BERT as student.backbone"
        )
    layers, depth = settings.student.layers, config.num_hidden_layers
    if max(layers) >= depth:
        raise ConfigError(f"student.layers is {layers}, but {owner} has layers 0 to {depth - 1}")
    if settings.student.initial_share and len(layers) < depth:
        raise ConfigError(f"student.initial_share needs all {depth} layers of {owner}, and student.layers is {layers}")


@torch.no_grad()
def _keep_one_logit(student: BertForSequenceClassification) -> None:
    """Replace K class logits by one: the top class's minus the bottom class's, for K = 2 the teacher's own logit."""
    classes = student.classifier
    head = torch.nn.Linear(classes.in_features, 1, device=classes.weight.device)
    head.weight.copy_(classes.weight[-1:] - classes.weight[:1])
    head.bias.copy_(classes.bias[-1:] - classes.bias[:1])
    student.classifier = head
    student.config.num_labels = 1
    student.num_labels = 1
