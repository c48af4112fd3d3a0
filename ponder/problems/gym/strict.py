"""Where the full mark of a task's own scorer is not enough, because wrong answers get it too.

Found by giving every task evasions, constants and its own answer with other text round it. Each rule here is needed
as well as the scorer's full mark; the tests hold the answers that slip through without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction

from ponder.problems.families.expressions import evaluate, numbers_in


def _same_word(answer: str, gold: str) -> bool:
    return answer.casefold() == gold.casefold()


def _close(answer: str, gold: str) -> bool:
    return abs(Fraction(answer.replace(",", "")) - Fraction(gold)) <= Fraction(1, 10_000)


def _same_data(answer: str, gold: str) -> bool:
    """Equal as JSON if both are, else as text."""
    try:
        return bool(json.loads(answer) == json.loads(gold))
    except ValueError:
        return answer.strip() == gold.strip()


def _same_numbers(answer: str, gold: str) -> bool:
    """Expressions of + - * / that use the same numbers and have exactly the same value."""
    return sorted(numbers_in(answer)) == sorted(numbers_in(gold)) and evaluate(answer) == evaluate(gold)


_RULES: dict[str, Callable[[str, str], bool]] = {
    # Its scorer compares truth values of text, and every text that is not empty is true.
    "game_of_life_halting": _same_word,
    # Its partial credit for a common prefix reaches the full mark: "0" for every probability below one.
    "coin_flip": _close,
    # It measures how alike two trees are, and trees that differ can be wholly alike.
    "codeio": _same_data,
    # It takes any four numbers of the allowed size, so 6+6+6+6 solves every item, and cuts 24.9 down to 24.
    "puzzle24": _same_numbers,
    # It reads more operators than the four that the task allows.
    "countdown": _same_numbers,
}


def passes(task: str, answer: str, gold: str) -> bool:
    """Whether `answer` also passes the rule of `task`; what the rule cannot read does not."""
    try:
        return _RULES[task](answer, gold) if task in _RULES else True
    except (ValueError, ZeroDivisionError, OverflowError):
        return False
