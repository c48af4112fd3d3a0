"""Thinking: one strategy a file, and the budget they all spend from. No engine, no model, no torch."""
