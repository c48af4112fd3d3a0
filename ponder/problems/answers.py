"""Where the answer stands in a response: after the thinking, and nowhere else."""

from __future__ import annotations

from ponder.types import Question

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


def final_answer(response: str) -> str | None:
    """The text after the last `</think>`, stripped; None if the thinking never ends or nothing follows it.

    A response without any thinking marks is all answer. Thinking that opens and never closes has no answer: what
    stands inside it is not one.
    """
    if THINK_CLOSE in response:
        answer = response.rsplit(THINK_CLOSE, 1)[1].strip()
    elif THINK_OPEN in response:
        return None
    else:
        answer = response.strip()
    return answer or None


def canonical_answer(question: Question, response: str) -> str | None:
    """The answer as votes count it: white space does not matter, and in a cipher or an expression nor does case."""
    answer = final_answer(response)
    if answer is None:
        return None
    if question.family in ("arithmetic", "countdown"):
        return "".join(answer.split())
    return " ".join(answer.lower().split()) if question.family == "cipher" else " ".join(answer.split())
