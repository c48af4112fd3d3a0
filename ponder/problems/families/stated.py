"""The integer that an answer states: alone, in a box, or at the end of its last sentence.

A chat model that has not learned to answer with the bare number writes "2 + 3 = 5." or "The answer is 5.". Calling that
wrong would be a reward that is wrong without a word, so it is read; what states two numbers, or none, is no answer.
"""

from __future__ import annotations

import re

from ponder.thinking import last_box

_BARE = re.compile(r"([+-]?[0-9]{1,40})\.?")
# After "=", "is", "equals" or "answer:" nothing but the number, and marks of emphasis or mathematics around it.
_MARKS = r"[\s*_$`(){}\\\[\]]*"
_ENDS = re.compile(
    rf".*(?:=|\b(?:is|equals|answer:)){_MARKS}([+-]?)\s?([0-9]{{1,40}}){_MARKS}\.?{_MARKS}", re.IGNORECASE | re.DOTALL
)
_TWO = re.compile(r"\bor\b", re.IGNORECASE)


def stated_integer(text: str) -> int | None:
    """The integer that `text`, an answer without its thinking, states; None if it states none or more than one."""
    bare = _BARE.fullmatch(text.strip())
    if bare:
        return int(bare[1])
    box = last_box(text)
    if box is not None:
        bare = _BARE.fullmatch(box)
        return int(bare[1]) if bare else None
    lines = text.strip().splitlines()
    last = lines[-1] if lines else ""
    found = None if _TWO.search(last) else _ENDS.fullmatch(last)
    return int(found[1] + found[2]) if found else None
