"""A run in stages: the settings of each, and which one a round belongs to."""
