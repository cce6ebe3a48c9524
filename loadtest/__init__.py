"""Load against a running service: HTTP only, apart from the raw ceiling that `bench` compares it with.

run.py, capacity.py, compare.py   the commands; command.py, option_types.py: what they share
report/                 what they leave behind
budget.py, loads.py     a budget's file                  verdict.py     whether it holds
arrivals.py             when requests come (pure)        replay.py      a log of them
shop_workload.py        what they ask for; shapes.py: how long it is; zipf.py: how popular
requests.py             both, for a budget               routes.py      in whose words
trial.py                one run of them
open_loop.py            sends them; outcomes.py, faults.py, inspection.py: what became of them
measured_service.py     the service, started or given    usage.py       its CPU and memory
server.py               how a server of our own is started and stopped
search.py, noise.py, queue_theory.py   mathematics (pure)
locustfile.py           closed-loop users with a web page
measured.py             what a measurement gives, and how it is summed up
closed_loop.py          clients that wait for their replies; http_connection.py: theirs
bench/                  beside the raw graph and the peers of peers/, with workload.py, systems.py
raw_session.py          the raw graph of a cross-encoder; raw_split.py: that of a split student
gpu_bench/              what a machine with a GPU reaches
"""
