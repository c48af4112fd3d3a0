"""Samples drawn once and replayed at every budget."""
