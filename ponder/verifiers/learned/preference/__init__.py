"""Preference reward model."""
