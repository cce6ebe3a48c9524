"""One script for a machine with a GPU: is it right, and how far is it from what the machine can do?

__main__.py   `python -m loadtest.gpu_bench`: the command line, the JSON line last
run.py        the order of things
report.py     the figures as tables, and as JSON
plan.py       what is measured, for how long, by device
models.py     the bundles: of known shapes with random weights, made by training.untrained; and one of yours
requests.py   requests of pairs of one length
graph.py      a bundle's graph on the device, with bound inputs and outputs
buckets.py    pairs per second of full batches: plain, two at a time, as a CUDA graph, packed
correctness.py   the comparisons: graph, packed graph, service and torch, each with its bound
checking.py   before anything is timed: which of them are made of which model
http_load.py  the real service, at one client and at saturation
torch_side.py training.torch_speed in a process of its own: ceiling and baseline
arithmetic.py what a pair costs (pure)
targets.py    what the figures should reach (pure)
machine.py    what they were measured on
"""
