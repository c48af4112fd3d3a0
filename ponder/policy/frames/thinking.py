"""Frames with thinking tags: the prompt ends in `<think>`, then come thinking, `</think>` and the answer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ponder.policy.frames.frame import Frame
from ponder.thinking import THINK_CLOSE, THINK_OPEN
from ponder.types import Question


class Thinking(Frame):
    """What frames with thinking tags share."""

    opening: ClassVar[str] = f"{THINK_OPEN}\n"
    close: ClassVar[str] = THINK_CLOSE


class Opened(Thinking):
    """Thinking is opened in the prompt and not spoken of: for models trained so, as the embedded one is."""

    kind: Literal["opened"] = "opened"


class Native(Thinking):
    """The model's own thinking mode: its template is told to think (`enable_thinking`), and `<think>` is opened."""

    kind: Literal["native"] = "native"

    def template_options(self) -> dict[str, Any]:
        # Qwen3 and SmolLM3 read the first, DeepSeek-V3.1 the second; a template ignores what it does not know.
        return {"enable_thinking": True, "thinking": True}


class Tags(Thinking):
    """Tags that the prompt asks for: for models without a thinking mode that shall learn one."""

    kind: Literal["tags"] = "tags"

    def system(self, question: Question) -> str:
        return f"{question.instructions} First think, between <think> and </think>. Then give the answer.".strip()
