"""Verdicts to credit, credit to samples, samples to better weights, and weights to checkpoints."""
