"""Offline: teacher → pool → soft labels → student → evaluation."""
