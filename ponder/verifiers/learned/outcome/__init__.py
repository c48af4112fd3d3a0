"""Outcome reward model."""
