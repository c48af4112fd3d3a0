"""Pairwise step model."""
