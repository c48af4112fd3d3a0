"""What one answer is asked for: the conversation, the budget, the deadline and the way to think."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ponder.api.thinking.asked import Asked, question_of
from ponder.api.thinking.checks import trained_families
from ponder.serving.dial import Budget
from ponder.serving.thinking.schema import Form
from ponder.serving.thinking.toolset import MustCall, Toolset
from ponder.types import Question

Show = Literal["hidden", "summary", "full"]
Turn = tuple[str, str]


@dataclass(frozen=True)
class Ask:
    """One answer to a conversation. `deadline` is a moment of `time.monotonic`, `longest` the tokens of one chain.

    `form` is what the answer must be: JSON, or a call of one of the `tools` (None: anything). `show` is how much of the
    thinking the caller sees.
    """

    turns: tuple[Turn, ...]
    budget: Budget
    deadline: float
    strategy: str = "auto"
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    longest: int = 400
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    form: Form | MustCall | None = None
    tools: Toolset | None = None
    show: Show = "hidden"
    progress: bool = False
    settings: dict[str, float | int | str | bool] = field(default_factory=dict)


def question(ask: Ask, model: str) -> Question:
    """The conversation as a question for the policy.

    A single question of a family that the model was trained on is asked with that family's instructions; every other
    conversation as it is.
    """
    *before, (role, text) = ask.turns
    known = trained_families(model) or ()
    if not before and ask.form is None and ask.tools is None and known:
        found = question_of(Asked(text))
        if found.family in known:
            return found
    if role == "tool":  # what the last calls gave is the end of the conversation
        before, text = [*before, (role, text)], ""
    system = [("system", ask.form.instructions)] if ask.form is not None else []
    tools = () if ask.tools is None else ask.tools.schemas
    return Question("asked", "", text, history=(*system, *before), tools=tools)
