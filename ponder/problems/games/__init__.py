"""Two-seat zero-sum games with exact solvers, one a file; as problems: positions with a move of perfect play."""
