"""Verdicts that a program computes: mathematics, code, constraints."""
