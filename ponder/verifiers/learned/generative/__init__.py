"""Generative verifier, with critiques in words."""
