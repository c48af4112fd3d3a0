"""Measure strategies at budgets: on problems, on the checkpoints of a run, on the samples of a file."""
