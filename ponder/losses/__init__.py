"""Losses over single tokens, and how they are summed."""
