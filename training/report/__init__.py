"""The report of a run, for people: what was measured, drawn, and the worst mistakes to read. Loads no torch.

write.py      from a run directory to `RUN/report/`; data.py: the files that it reads
quality.py    the tables of quality; scores.py: calibration, scores, losses; mistakes.py: pairs to read
pool_text.py  the pool's own report as blocks; numbers.py: numbers as they are shown
document.py   the report as plain blocks, which html.py and markdown.py render
plots.py      the plots of a run; studies.py: plots that compare runs; canvas.py: what all plots share
__main__.py   `python -m training.report`
"""
