"""Judged groups, step labels and the store of trajectories."""
