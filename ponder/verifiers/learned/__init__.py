"""Verifiers that learned to judge: a folder a kind, with the objective that trains it and the judge that serves it.

`kinds.py` is the one list of them; `folder.py` stores and loads a trained one.
"""
