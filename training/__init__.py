"""Offline: teacher → pool → soft labels → student → evaluation.

distill.py    the command; stages.py: the stages in order, each in its folder of run_directory.py
stage_files.py   what a stage leaves there, written whole and verified when it is read
run_lock.py   one command at a time in a run directory
config.py     every setting; config_file.py: how they are read; member_settings.py: those of a teacher's members
datasets/     readers of judgements; splits.py: held-out queries
pool/         unlabelled pairs
models/       backbones, cross-encoder, bi-encoder and what they read
optimise/     batches, losses, the one training loop
teacher/      the model that labels the pool
labels/       its labels
student/      the model that learns from them
evaluation/   systems side by side; checks/: the general and the contrast check, never training data
finish.py     evaluation, calibration, export; provenance.py, card.py: what the bundle tells of its making
finished.py   what a finished run holds, to be read again
report/       the report for people
study/        the paper's claims on one's own data
takeover.py   what a further run takes from a finished one
untrained.py  bundles of a student's shape to measure speed with; torch_speed.py: torch's side of that
command_line.py, dry_run.py, progress.py, errors.py   what the commands share
"""
