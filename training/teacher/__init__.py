"""The teacher: several kinds of cross-encoder, alone or together, and the zero-shot bi-encoder.

ensemble.py   Teacher and Member: scoring
lessons.py    what a member learns from, in which order, by which loss
encoders.py   members that are encoders; decoders.py: members that are language models
members.py    one member, whatever its kind: build, train, save, load
files.py      the whole teacher: train_teacher, save_teacher, load_teacher
__main__.py   `python -m training.teacher`
"""

from training.teacher.ensemble import Member, Teacher
from training.teacher.files import load_teacher, save_teacher, train_teacher
from training.teacher.lessons import TeacherBatches, TeacherData, teacher_loss
from training.teacher.members import TeacherTask, check_members

__all__ = [
    "Member",
    "Teacher",
    "TeacherBatches",
    "TeacherData",
    "TeacherTask",
    "check_members",
    "load_teacher",
    "save_teacher",
    "teacher_loss",
    "train_teacher",
]
