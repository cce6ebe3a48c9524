"""Serving a split student: products' records are looked up, and a pair costs a hundredth of a cross-encoder's.

pair.py          one pair, and what it costs
pairing.py       a body's pairs, each with its product's record if a tier has it
query_cache.py   the constants of a request, remembered by query
graphs.py        how the three graphs are run, in whatever shape comes
buckets.py       the same in few shapes, on a GPU
runner.py        a micro-batch: records that are missing are computed, then each query's products are scored
shared.py        the tier that replicas share, if there is one
opening.py       from a bundle and the settings to all of these
watching.py      what the metrics show of them
"""
