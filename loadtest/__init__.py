"""Load against a running service: HTTP only, apart from the raw ceiling that `bench` compares it with."""
