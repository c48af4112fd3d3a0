"""Tokens in, tokens and log-probabilities out: `local` for real models, `scripted` for tests and documentation."""
