"""Judging by a rubric: a model that is asked whether an answer meets what is wanted, where no checker exists."""
