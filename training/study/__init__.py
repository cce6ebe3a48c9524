"""Studies: the paper's claims on one's own data, over several splits.

variants.py   students of one teacher that differ in one thing
designs.py    which students each study compares
summary.py    rows, tables and plots over the queries of all seeds
__main__.py   `python -m training.study`: a teacher a seed, then every variant
"""
