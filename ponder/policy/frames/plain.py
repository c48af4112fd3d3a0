"""The question alone: for models too small to follow instructions on the form of an answer."""

from __future__ import annotations

from typing import Literal

from ponder.policy.frames.frame import Frame, parted
from ponder.thinking import graded_text
from ponder.types import Question, Trajectory


class Plain(Frame):
    """The question alone, no instructions and no mark: for small models, and for graders that find the answer in words.

    The answer is the whole response, and a response that was cut has none. SmolLM2-135M-Instruct, asked for sums with
    instructions to think step by step and to use a box, ended 3 of 24 greedy answers within 64 tokens and solved none;
    asked plainly it ended 9 and solved 2.
    """

    kind: Literal["plain"] = "plain"

    def system(self, question: Question) -> str:
        return ""

    def plain(self, question: Question, system: str) -> str:
        return "\n\n".join(filter(None, (system, f"Question: {question.text}\nAnswer: ")))

    def closing(self, question: Question, said: str) -> str:
        return "\nThe answer is "

    def graded(self, trajectory: Trajectory, *, opened: bool = True) -> str:
        return graded_text(trajectory)  # what was cut is no answer, whatever stands in it

    def demonstrated(self, question: Question, response: str) -> str:
        return "".join(parted(response))
