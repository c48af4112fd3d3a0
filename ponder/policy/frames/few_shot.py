"""A base model with few examples: a text that goes on question by question, without a chat template."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.config import Strict
from ponder.policy.frames.chain import Marked
from ponder.policy.frames.place import FORMS, place_of
from ponder.types import Question


class Example(Strict):
    """A question with its reasoning and its answer, the answer alone as it would stand in a box."""

    question: Annotated[str, Field(min_length=1)]
    thinking: str
    answer: Annotated[str, Field(min_length=1)]


_EXAMPLES = (
    Example(
        question="A box holds 3 rows of 4 eggs. 5 of them break. How many are left?",
        thinking="3 rows of 4 eggs are 3 * 4 = 12 eggs. Without the 5 broken ones 12 - 5 = 7 are left.",
        answer="7",
    ),
    Example(
        question="What is 2 * (9 - 4) + 1?",
        thinking="First the parentheses: 9 - 4 = 5. Then 2 * 5 = 10, and 10 + 1 = 11.",
        answer="11",
    ),
)


class FewShot(Marked):
    """A base model: worked examples, then the question; the answer ends where the next question would begin.

    Questions that ask for a program are put without examples, since these are of another kind; give your own there.
    """

    kind: Literal["few_shot"] = "few_shot"
    examples: tuple[Example, ...] = _EXAMPLES
    ends: ClassVar[str] = "\nQuestion:"
    chat: ClassVar[bool] = False

    def plain(self, question: Question, system: str) -> str:
        shown = () if place_of(question) == "block" and self.examples == _EXAMPLES else self.examples
        form = FORMS[place_of(question)]
        told = [f"Question: {e.question}\nAnswer: {e.thinking} {form.written.format(e.answer)}" for e in shown]
        return "\n\n".join([system, *told, f"Question: {question.text}\nAnswer:"])
