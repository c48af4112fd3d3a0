"""Causal language models: loading and saving, their size, a lean forward, heads."""
