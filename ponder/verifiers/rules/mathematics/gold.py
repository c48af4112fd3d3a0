r"""What a gold answer says: the answer itself, or the answer at the end of a worked solution.

Data sets keep solutions where an answer is expected (`openai/gsm8k`). A solution with `####`, a box or answer tags
gives its answer, and the verdict says so. What is no answer at all (prose, an empty cell of a table) is an error of the
problem and a failure, never a wrong answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.verifiers.rules.mathematics.extraction import extract
from ponder.verifiers.rules.mathematics.finding.spans import boxes

MOST_WORDS = 12  # of an answer in words; more is prose
_EMPTY = frozenset({"nan", "null", "<na>", "nat", "#n/a", "n/a"})
_MARK = re.compile(r"####\s*(\S[^\n]*)\s*$")
_TAG = re.compile(r"</answer>", re.IGNORECASE)
_TEXT = re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}")


class GoldError(ValueError):
    """The gold answer itself cannot be read; nothing can be graded against it."""


@dataclass(frozen=True, slots=True)
class Gold:
    """The answer, and where it was taken from if the gold text is more than that ("" if not)."""

    answer: str
    taken_from: str = ""


def gold_answer(text: str) -> Gold:
    """The answer that a gold text states. Raises GoldError with what was got and what is allowed."""
    plain = text.strip()
    if not plain:
        raise GoldError("the gold answer is empty")
    if plain.lower() in _EMPTY:
        raise GoldError(f"the gold answer is {plain}, an empty cell; give the answer as text, or leave the row out")
    mark = _MARK.search(plain)
    if mark:
        return Gold(mark.group(1).strip(), "the gold solution's #### mark")
    found, _ = boxes(plain) if "box" in plain else ([], False)
    if found or _TAG.search(plain):
        extraction = extract(plain)
        if len(extraction.answers) == 1:
            return Gold(extraction.answers[0], f"the gold solution's {extraction.where}")
        if extraction.listed:
            return Gold(extraction.listed, "the gold solution's boxes")
        raise GoldError("the gold answer is a solution with no single answer; give the answer alone")
    if _is_prose(plain):
        raise GoldError(f"the gold answer is prose ({plain[:40]!r}...); give the answer alone, or mark it with ####")
    return Gold(plain)


def _is_prose(text: str) -> bool:
    words = re.findall(r"[A-Za-z']{2,}", re.sub(r"\\[A-Za-z]+", " ", _TEXT.sub(r"\1", text)))
    sentences = len(re.findall(r"[a-z0-9)][.!?]\s+[A-Z]", text))
    return len(words) > MOST_WORDS or (sentences > 0 and len(words) > 4)
