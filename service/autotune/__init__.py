"""Choosing at start-up how the engine runs: micro-batch tokens, sessions, threads; by measurement on this machine."""
