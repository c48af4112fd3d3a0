"""Verifiers that learn: labelled trajectories, training, and a stored verifier at work."""
