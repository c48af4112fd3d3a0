"""Backends of the trainer: who computes log-probabilities, and over which layout of rows."""
