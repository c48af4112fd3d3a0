"""Instructions whose following a program can check."""
