"""How far a verifier can be trusted, measured against ground truth."""
