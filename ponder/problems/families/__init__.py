"""Families that make their problems: a pure function of split, seed and index."""
