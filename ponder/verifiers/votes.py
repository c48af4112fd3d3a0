"""The classes of a vote, for every family: which answers are one.

A class is a text that depends on the question and on the response alone. So being in one class is transitive, the order
of the answers changes nothing, and search, pools, the planner and training count the same classes. The key is never
looked at: a vote knows no more than the one who takes it.
"""

from __future__ import annotations

from ponder.problems.answers import FAMILIES
from ponder.problems.answers import canonical_answer as family_answer
from ponder.problems.files.jsonl import INSTRUCTIONS
from ponder.thinking import final_answer
from ponder.types import Question
from ponder.verifiers.rules.mathematics.canonical import canonical
from ponder.verifiers.rules.mathematics.extraction import extract

# Where an answer must stand for a question of no known kind to be read as one with a short answer.
_SHORT = ("box", "mark", "answer tags", "answer tags and a box")
_TEXTS = tuple(INSTRUCTIONS[name] for name in ("code", "constraints", "grid"))


def canonical_answer(question: Question, response: str) -> str | None:
    """The class of the answer of a response; None if the response gives none, and then it has no vote."""
    if question.family in FAMILIES or question.family.startswith("gym:") or question.instructions in _TEXTS:
        return family_answer(question, response)
    if is_mathematics(question):
        return canonical(response)
    found = extract(response)
    return canonical(response) if found.answers and found.where in _SHORT else family_answer(question, response)


def shown_answer(question: Question, response: str) -> str | None:
    r"""The answer as the response wrote it, for people: the class of `\frac{\sqrt3}{2}` is a decimal number."""
    answer = final_answer(response)
    if question.family in FAMILIES or question.family.startswith("gym:") or question.instructions in _TEXTS:
        return None if answer is None else " ".join(answer.split())
    found = extract(response)
    if found.answers and (is_mathematics(question) or found.where in _SHORT):
        return found.listed or " or ".join(found.answers)
    return None if answer is None else " ".join(answer.split())


def is_mathematics(question: Question) -> bool:
    """Whether the answer to a question is a number, a formula or a word, which stands in a box at best."""
    return r"\boxed" in question.instructions
