"""A source of problems that a model writes itself, with gold answers that the environment computes."""
