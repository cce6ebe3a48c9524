"""Aisle beside the raw graph and its peers, under the same loads, in interleaved rounds on one machine.

__main__.py   `python -m loadtest.bench`: the order of things; options.py: its command line; ending.py: the JSON line
arena.py      the servers that take part, started and checked to be one model; agreement.py: that check
split_arena.py    the split student's: its graphs driven directly, services with and without a catalogue
bundles.py    which kind of bundle each option takes
rounds.py     how rounds take turns           machine.py      what the figures were measured on
closed_loads.py   c50x8, c1x1, c10x4, c10x1   closed_rows.py  the rows of every closed load
split_loads.py    split_…                     open_run.py     what open loops share
mixed_load.py     mixed                       overload.py     overload
cache_loads.py    token_cache, candidate_cache, score_cache, caches   memory_load.py  memory, memory_split
curve.py      latency against offered load; plot.py draws it
result.py     what a load gives: rows by system, as Markdown and JSON
"""
