"""Whether an answer to a mathematical question is the gold answer."""
