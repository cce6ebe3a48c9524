"""Aisle beside the raw graph and its peers, under the same loads, in interleaved rounds on one machine.

__main__.py   `python -m loadtest.bench`: options, the order of things, the JSON line
arena.py      the servers that take part, started and checked to be one model; agreement.py: that check
rounds.py     how rounds take turns
closed_loads.py   c50x8, c1x1, c10x4, c10x1   open_run.py     what open loops share
mixed_load.py     mixed                       overload.py     overload
cache_loads.py    token_cache, score_cache    memory_load.py  memory
curve.py      latency against offered load; plot.py draws it
result.py     what a load gives: rows by system, as Markdown and JSON
"""
