"""What every frame can say, and how it is saved beside a model's weights."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PreTrainedTokenizerBase

from ponder.plugins import Plugin
from ponder.thinking import THINK_CLOSE, formed, graded_text
from ponder.types import Question, Trajectory

_BEHIND = 8  # characters that the token which completes `ends` may hold behind it
PLAIN_TURN = "\n\nUser: {request}\nAnswer: "
_PLAIN = "{instructions}\n\nQuestion: {question}\nAnswer: "


class Frame(Plugin):
    """How a question is put to a model, where its thinking ends and where its answer stands.

    `opening` is what every prompt ends in and `close` the mark that ends the thinking; a frame without thinking tags
    has neither. `ends` is a text that ends an answer where the model has no end token for that (a base model). `chat`
    says whether the model's chat template is used, if it has one.
    """

    opening: ClassVar[str] = ""
    close: ClassVar[str] = ""
    ends: ClassVar[str] = ""
    chat: ClassVar[bool] = True

    def chosen(self, tokenizer: PreTrainedTokenizerBase, saved: object = None) -> Frame:
        """The frame for the model of this tokenizer; `saved` is what lies beside its weights. Only `auto` chooses."""
        return self

    def why(self, tokenizer: PreTrainedTokenizerBase, saved: object = None) -> str:
        """A sentence on why this is the frame of that model."""
        return f"frame.kind={self.kind} was set"

    def system(self, question: Question) -> str:
        """The instructions as the model reads them: a system message, or before the question where that is refused."""
        return question.instructions

    def template_options(self) -> dict[str, Any]:
        """What the chat template is told besides the messages."""
        return {}

    def plain(self, question: Question, system: str) -> str:
        """The whole prompt for a model without a chat template, up to the opening; `system` are the instructions."""
        return _PLAIN.format(instructions=system, question=question.text)

    def closing(self, question: Question, said: str) -> str:
        """What makes a model that has said this much give its answer; empty if it has ended its thinking."""
        return "" if self.close in said else self.close if not said or said.endswith("\n") else f"\n{self.close}"

    def graded(self, trajectory: Trajectory, *, opened: bool = True) -> str:
        """The response as graders and votes read it. `opened`: the prompt ended in the opening."""
        return graded_text(trajectory, opened=opened)

    def formed(self, trajectory: Trajectory) -> bool:
        """Whether the response ended by itself with an answer where this frame wants one."""
        return formed(trajectory)

    def demonstrated(self, question: Question, response: str) -> str:
        """A worked response of a family (thinking, `</think>`, answer) as this frame has it."""
        return response

    def ended(self, text: str) -> bool:
        """Whether a response ends here although no end token was drawn."""
        return bool(self.ends) and self.ends in text[-len(self.ends) - _BEHIND :]


def parted(response: str) -> tuple[str, str]:
    """The thinking and the answer of a worked response."""
    thinking, _, answer = response.rpartition(THINK_CLOSE)
    return thinking, answer
