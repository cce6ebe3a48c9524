"""Several replicas on one machine behind one port (`AISLE_REPLICAS`).

A process' event loop runs on one core. So a parent (`parent.py`) starts replicas (`replica.py`), each a process of
this service with a share of the cores (`member.py`), accepts connections, and hands each over a channel (`channel.py`)
to the replica that has the fewest open (`handed.py`). From there on it is the replica's own: nothing is forwarded.
`/metrics` answers for all of them (`siblings.py`, `merging.py`).
"""
