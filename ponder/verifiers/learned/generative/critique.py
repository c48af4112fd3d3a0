"""Feedback in words: a verdict for each step, a line each, up to the first wrong one, which is thereby named.

    1 right
    2 wrong

Steps are counted from 1, as people count. What follows the first wrong step is not judged: it means nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

RIGHT, WRONG = "right", "wrong"
_LINE = re.compile(rf"^(\d{{1,6}}) ({RIGHT}|{WRONG})$")


def write(right_S: Sequence[bool]) -> str:
    """The critique that these step verdicts ask for. [True, False, True] gives two lines."""
    lines = []
    for number, right in enumerate(right_S, start=1):
        lines.append(f"{number} {RIGHT if right else WRONG}\n")
        if not right:
            break
    return "".join(lines)


def read(text: str) -> tuple[bool, ...] | None:
    """The verdicts of a critique; None unless every line is one, they count up from 1 and only the last is wrong."""
    found: list[bool] = []
    for line in text.strip().splitlines():
        match = _LINE.match(line.strip())
        if match is None or int(match[1]) != len(found) + 1 or False in found:
            return None
        found.append(match[2] == RIGHT)
    return tuple(found) or None


def complete(text: str, steps: int) -> bool:
    """Whether every one of `steps` steps has its verdict, or the steps up to the first wrong one have."""
    verdicts = read(text)
    return verdicts is not None and (len(verdicts) == steps or (False in verdicts and len(verdicts) < steps))


def agrees(text: str, right_S: Sequence[bool]) -> bool:
    """Whether a critique may be learned from: each of its verdicts is that of the labels (ThinkPRM, 2504.16828).

    Stricter than asking for the right verdict on the whole: a critique that is right for wrong reasons is dropped.
    """
    return complete(text, len(right_S)) and text.strip() == write(right_S).strip()


def step_scores(texts: Sequence[str], steps: int) -> tuple[float, ...] | None:
    """Share of critiques that call each step right (a step after a wrong one is not); None if any is incomplete."""
    if not texts or not all(complete(text, steps) for text in texts):
        return None
    verdicts = [read(text) or () for text in texts]
    return tuple(sum(k < len(v) and v[k] for v in verdicts) / len(verdicts) for k in range(steps))
