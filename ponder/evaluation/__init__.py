"""Measuring: metrics and their intervals, verifier quality, suites, pools of samples, scaling curves and their fits."""
