"""Accuracy against compute: curves, points per doubling, envelopes, fits."""
