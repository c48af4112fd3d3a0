"""Some scorers of reasoning-gym evaluate the answer as Python, directly or through sympy. Here they are disarmed.

Whatever gets past this still meets the limits of the process that it runs in: time, memory, no writing of files.
"""

from __future__ import annotations

import ast
import importlib
import re

# Scorers that call `eval` on the answer to read a list: they get a reader of literals instead.
_EVALUATORS = (
    "reasoning_gym.algorithmic.string_insertion",
    "reasoning_gym.algorithmic.spiral_matrix",
    "reasoning_gym.algorithmic.binary_matrix",
    "reasoning_gym.games.n_queens",
)
# Tasks whose scorers hand the answer to sympy's parser, which evaluates it.
_FORMULAS = {"simple_integration", "intermediate_integration", "polynomial_multiplication", "puzzle24", "countdown"}
_NAMES = "exp log ln sqrt sin cos tan sec csc cot asin acos atan sinh cosh tanh asinh acosh atanh pi Abs"
_FUNCTIONS = frozenset(_NAMES.split())
_FORMULA = re.compile(r"[A-Za-z0-9\s+\-*/^().,=]{0,2000}")


def disarm() -> None:
    """Give every evaluating scorer a harmless `eval`."""
    for name in _EVALUATORS:
        vars(importlib.import_module(name))["eval"] = ast.literal_eval


def is_harmless(task: str, answer: str) -> bool:
    """Whether `answer` may be handed to the scorer of `task`: a formula of known functions and one-letter symbols."""
    if task not in _FORMULAS:
        return True
    names = re.findall(r"[A-Za-z]+", answer)
    return (
        _FORMULA.fullmatch(answer) is not None
        and all(len(name) == 1 or name in _FUNCTIONS for name in names)
        and re.search(r"\.\s*[A-Za-z]", answer) is None
    )
