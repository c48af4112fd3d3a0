"""Generator and verifier trained against each other on problems whose answers can be checked."""
