"""What votes count as the same answer; where an answer stands in a response is told by `ponder.thinking`."""

from __future__ import annotations

from ponder.thinking import THINK_CLOSE as THINK_CLOSE
from ponder.thinking import final_answer as final_answer
from ponder.types import Question


def canonical_answer(question: Question, response: str) -> str | None:
    """The answer as votes count it: white space does not matter, and in a cipher or an expression nor does case."""
    answer = final_answer(response)
    if answer is None:
        return None
    if question.family in ("arithmetic", "countdown"):
        return "".join(answer.split())
    return " ".join(answer.lower().split()) if question.family == "cipher" else " ".join(answer.split())
