"""Verifiers that learned to judge, one short file each; all are `Judge`s and ordinary checkpoint folders."""
