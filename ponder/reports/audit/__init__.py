"""The page of a verifier audit."""
