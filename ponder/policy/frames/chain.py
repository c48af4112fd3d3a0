"""Plain chain of thought: no tags; the model reasons in its answer and marks the final one (`place`)."""

from __future__ import annotations

from typing import Literal

from ponder.policy.frames.frame import Frame, parted
from ponder.policy.frames.place import FORMS, place_of, standing, told
from ponder.thinking import THINK_CLOSE, THINK_OPEN
from ponder.types import Question, StopReason, Trajectory

_CUT = (StopReason.LENGTH, StopReason.CONTEXT, StopReason.CANCELLED)


class Marked(Frame):
    """What frames without thinking tags share: the answer is what is marked as one."""

    def system(self, question: Question) -> str:
        form = FORMS[place_of(question)]
        if form.mark.rstrip("{") in question.instructions:  # the family asks for it already
            return question.instructions
        if not question.instructions:  # anything may be asked, also for a poem
            return f"Think step by step. If there is one final answer, {form.request}."
        return f"{question.instructions} {form.request[0].upper()}{form.request[1:]}."

    def closing(self, question: Question, said: str) -> str:
        form = FORMS[place_of(question)]
        return "" if form.mark in said else form.opening

    def graded(self, trajectory: Trajectory, *, opened: bool = True) -> str:
        """The marked answer, or what the last line says, behind the rest as thinking.

        Of a response that was cut nothing but the mark is an answer.
        Mathematics is handed over as it is, since its grader looks for boxes itself and hears what stands beside them.
        """
        text, question = trajectory.response, trajectory.question
        if self.ended(text):
            text = text.rpartition(self.ends)[0]
        if THINK_CLOSE in text or THINK_OPEN in text:  # it thought in tags although nobody asked
            return text
        found = standing(place_of(question), text)
        if found is None and trajectory.stop in _CUT:
            return f"{THINK_OPEN}\n{text}"
        if found is None and place_of(question) != "block" and "\\boxed" not in question.instructions:
            found = told(text)  # a model that has not learned the place says it in words
        if found is None:
            return text
        if place_of(question) == "block" or "\\boxed" in question.instructions:
            return text
        return f"{THINK_OPEN}\n{text}\n{THINK_CLOSE}{found}"

    def formed(self, trajectory: Trajectory) -> bool:
        marked = standing(place_of(trajectory.question), trajectory.response)
        return trajectory.stop is StopReason.END and bool(marked)

    def demonstrated(self, question: Question, response: str) -> str:
        thinking, answer = parted(response)
        if FORMS[place_of(question)].mark in answer:
            return thinking + answer
        return thinking + FORMS[place_of(question)].written.format(answer)


class Chain(Marked):
    """Plain chain of thought and a marked answer (a box, a code block, or answer tags): for ordinary chat models."""

    kind: Literal["chain"] = "chain"
