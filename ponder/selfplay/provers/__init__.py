"""Prover-verifier games: one policy as helpful and as sneaky prover, a verifier that is trained on all of them."""
