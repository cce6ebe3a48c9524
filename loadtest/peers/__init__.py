"""The systems that Aisle is compared with, each in a virtual environment of its own.

environments.py   where they are installed, from which pinned requirements; `python -m loadtest.peers install`
model.py          the bundle as the model directory that they read: the very same graph and tokenizer
launch.py         how each is started, with the settings that were its fastest
sentence_transformers_server.py   runs inside its own environment
"""
