"""Dataset readers: each turns one published layout into the schema of `schema.py`."""
