"""Studies: the paper's claims on one's own data, over several splits.

variants.py   students of one teacher that differ in one thing
__main__.py   `python -m training.study`: a teacher a seed, every variant, means and intervals over all
"""
