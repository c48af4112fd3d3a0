"""Two-seat games as an environment: players, one match, and the groups to learn from."""
