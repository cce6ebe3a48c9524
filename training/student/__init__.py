"""The student: a few layers of the teacher, distilled on the labelled pool.

initial.py       the student before it learns
files.py         saved and loaded
pool_batches.py  the labelled pool as its batches
auxiliary.py     further tasks while it learns, whose heads are thrown away
distillation.py  train_student: its loss, its training, the averaging of its weights
"""

from training.student.distillation import (
    StudentTask,
    distillation_loss,
    freeze,
    student_from,
    train_student,
    with_human_targets,
)
from training.student.files import load_student, save_student, shape_of
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
    "train_student",
    "with_human_targets",
]
