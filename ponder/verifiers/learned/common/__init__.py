"""What several kinds of learned verifier share: batches, heads, readers, pairs."""
