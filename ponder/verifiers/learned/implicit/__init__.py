"""Implicit process reward."""
