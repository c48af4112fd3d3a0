"""Words and letters that must, may or must not stand in the response. Upper and lower case are the same everywhere.

A keyword is found wherever its letters stand, inside a longer word too ("mom" in "moms"), because the published checks
read the instruction so; a forbidden word must be a word of its own ("rock" does not forbid "rocket").
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def compare(count: int, relation: str, bound: int) -> bool:
    """`relation` is "at least" or "less than"; the table of kinds lets nothing else through."""
    return count >= bound if relation == "at least" else count < bound


def existence(text: str, *, keywords: Sequence[str]) -> bool:
    folded = text.casefold()
    return all(keyword.casefold() in folded for keyword in keywords)


def frequency(text: str, *, keyword: str, relation: str, frequency: int) -> bool:
    return compare(text.casefold().count(keyword.casefold()), relation, frequency)


def forbidden(text: str, *, forbidden_words: Sequence[str]) -> bool:
    return not any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(text: str, *, letter: str, let_relation: str, let_frequency: int) -> bool:
    """Also for signs such as `#` and `!`."""
    return compare(text.lower().count(letter.lower()), let_relation, let_frequency)
