"""Benchmarks that people know, read from their published files."""
