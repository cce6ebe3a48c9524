"""The student, distilled on the labelled pool: layers of the teacher's or of a backbone, or a split student.

initial.py       the student before it learns
head_start.py    a split student's head before it learns, fitted to the teacher's margins
files.py         saved and loaded
pool_batches.py  the labelled pool as its batches
auxiliary.py     further tasks while it learns, whose heads are thrown away
distillation.py  train_student: its loss, its training, the averaging of its weights
pruning.py       a split student's joint layers with fewer units, when it has learnt
split_export.py  a split student as the export takes it: graphs, logits, lists of pairs
"""

from training.student.distillation import (
    StudentTask,
    distillation_loss,
    freeze,
    student_from,
    train_student,
    with_human_targets,
)
from training.student.files import load_student, save_student, shape_of, student_rule, student_tokenizer
from training.student.initial import check_start, initial_student

__all__ = [
    "StudentTask",
    "check_start",
    "distillation_loss",
    "freeze",
    "initial_student",
    "load_student",
    "save_student",
    "shape_of",
    "student_from",
    "student_rule",
    "student_tokenizer",
    "train_student",
    "with_human_targets",
]
