r"""Where the answer of a response without thinking tags stands, by what the question asks for.

box    a number, a formula or a word: `\boxed{...}`
block  a program: a ```python block, which graders of programs look for anyway
tags   any other text, over lines if need be: between `<answer>` and `</answer>`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ponder.thinking import last_box
from ponder.types import Question

Place = Literal["box", "block", "tags"]
_SHORT = ("", "arithmetic", "countdown", "cipher", "transforms")  # families whose answer fits into a box
_TOLD = re.compile(r".*\banswer(?: is|:)\s*(\S.*)", re.IGNORECASE)
_AROUND = " \t*_$`.\"'"  # emphasis, quotation marks and the end of the sentence are not the answer
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """How a place is asked for, forced and written; `{}` stands for the answer in `written`."""

    request: str
    opening: str
    mark: str
    written: str


FORMS: dict[Place, Form] = {
    "box": Form("put the final answer in \\boxed{}", "\nFinal answer: \\boxed{", "\\boxed{", "\\boxed{{{}}}"),
    "block": Form(
        "give the complete Python code in one ```python block", "\n```python\n", "```python", "```python\n{}\n```"
    ),
    "tags": Form(
        "write the final answer between <answer> and </answer>", "\n<answer>", "<answer>", "<answer>{}</answer>"
    ),
}


def place_of(question: Question) -> Place:
    """Where the answer to `question` stands."""
    if "```" in question.instructions:
        return "block"
    boxed = "\\boxed" in question.instructions or not question.instructions
    return "box" if boxed or question.family in _SHORT else "tags"


def standing(place: Place, text: str) -> str | None:
    """The answer that stands whole in its place (the last one); None if there is none."""
    if place == "box":
        return last_box(text)
    if place == "tags":
        found = _TAGGED.findall(text)
        return found[-1].strip() if found else None
    _, mark, code = text.rpartition("```python")
    return code.partition("```")[0] if mark and "```" in code else None


def told(text: str) -> str | None:
    """What the last line says that the answer is ("So the answer is X."); None if it does not say so."""
    lines = text.strip().splitlines()
    found = _TOLD.fullmatch(lines[-1].strip()) if lines else None
    return (found[1].strip(_AROUND) or None) if found else None
