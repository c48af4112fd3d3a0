"""Ponder's own problems for other people's packages."""
