"""Where the full mark of a task's own scorer is not enough, because wrong answers get it too.

Found by giving every task evasions, constants and its own answer with other text round it. Each rule here is needed
as well as the scorer's full mark; the tests hold the answers that slip through without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction


def _same_word(answer: str, gold: str) -> bool:
    return answer.casefold() == gold.casefold()


def _close(answer: str, gold: str) -> bool:
    return abs(Fraction(answer.replace(",", "")) - Fraction(gold)) <= Fraction(1, 10_000)


def _same_data(answer: str, gold: str) -> bool:
    """Data as JSON; what is no JSON is left to the scorer."""
    try:
        right = json.loads(gold)
    except ValueError:
        return True
    first, last = answer.find("{"), answer.rfind("}")
    return not isinstance(right, dict) or set(json.loads(answer[first : last + 1])) == set(right)


_RULES: dict[str, Callable[[str, str], bool]] = {
    # Its scorer compares truth values of text, and every text that is not empty is true.
    "game_of_life_halting": _same_word,
    # Its partial credit for a common prefix reaches the full mark: "0" for every probability below one.
    "coin_flip": _close,
    # It compares the keys that the answer has; an answer without any has nothing wrong.
    "codeio": _same_data,
}


def passes(task: str, answer: str, gold: str) -> bool:
    """Whether `answer` also passes the rule of `task`; what the rule cannot read does not."""
    try:
        return _RULES[task](answer, gold) if task in _RULES else True
    except (ValueError, ZeroDivisionError, OverflowError):
        return False
