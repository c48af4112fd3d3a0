"""Computed tokens that several texts share: memory, the radix tree over it, and its readers."""
