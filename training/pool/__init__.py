"""The pool: unlabelled (query, product) pairs, far more than the judged ones, for the teacher to label.

pairs.py        Pool, load_pool: what a pool is; files.py: its files
sources.py      what it is drawn from, nothing held out among it
composers.py    queries and products composed where a shop's own are few; query_composers.py: queries from attributes
product_facts.py, misspelling.py   what query_composers.py asks for, and how fingers slip
queries.py      which queries it asks, and how often each
retrievers.py   the first stage: BM25 and dense; categories.py: products of one kind
candidates.py   which retrieved products become a query's candidates (pure); chooser.py: for a block of queries
drawing.py      draw_pool: block by block, so that a killed draw goes on; blocks.py: what it has finished
report.py       what is in a pool, for people
"""

from training.pool.pairs import Origin, Pool, QueryFacts, Source, load_pool

__all__ = ["Origin", "Pool", "QueryFacts", "Source", "load_pool"]
