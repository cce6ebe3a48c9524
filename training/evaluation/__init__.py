"""Evaluation: systems side by side on the same held-out queries.

evaluate.py      the systems and their scores of judged pairs
scored_pairs.py  those scores, in memory and in a file
measure.py       metrics with bootstrap intervals over queries
intervals.py     a mean and its interval, and when there is none
slices.py        for which kinds of query a system is better or worse
calibrate.py     Platt scaling to soft targets
__main__.py      the command that reads a finished run on judgements that came later
summary.py       what `metrics.json` holds beyond the means: paired tests, calibration errors, slices

Nothing is imported here: the report reads all but evaluate.py without loading torch.
"""
