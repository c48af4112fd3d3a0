"""Ponder makes a language model think: training by self-play, search under one budget, both scaling laws."""

__version__ = "0.1.0"
