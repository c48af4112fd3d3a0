"""Killable worker processes for hostile work."""
