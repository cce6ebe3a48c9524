"""The report of a run, for people: what was measured, drawn, and the worst mistakes to read."""
