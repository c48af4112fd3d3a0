"""Sampling that goes on while the policy learns, from weights that are a bounded number of updates old."""
