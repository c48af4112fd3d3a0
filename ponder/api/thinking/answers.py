"""What may be shown as the answer to a question of a known family: what the model marked as one, not its transcript."""

from __future__ import annotations

from ponder.thinking import THINK_CLOSE
from ponder.types import Question
from ponder.verifiers.votes import canonical_answer


def marked_answer(question: Question, response: str) -> str | None:
    """As `canonical_answer`, but None where the thinking, which the prompt opened, ran over lines and never closed.

    A model that never thinks in tags answers a question of no family with all that it says: that is left alone.
    """
    if question.family and THINK_CLOSE not in response and "\n" in response.strip():
        return None
    return canonical_answer(question, response)
