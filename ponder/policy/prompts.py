"""Question to prompt tokens: the one place where a prompt is written, in training, search, evaluation and serving.

The prompt ends inside an opened `<think>` block, so what follows is thinking, `</think>`, answer. A model with a chat
template is asked through it, with the family's instructions as system message; a model without one gets plain text.
"""

from __future__ import annotations

from functools import lru_cache

from ponder.policy.codec import Codec
from ponder.types import Question

THINK_OPEN, THINK_CLOSE = "<think>\n", "</think>"
_SLOT = "\u2402question\u2403"  # stands for the question while the template is rendered; no template holds it
_PLAIN = "{instructions}\n\nQuestion: " + _SLOT + "\nAnswer: "


class Prompts:
    """Prompt tokens of questions for one model, cached: a question is asked many times."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.tokens = lru_cache(maxsize=65_536)(self._tokens)
        self._frame = lru_cache(maxsize=1024)(self._render)

    def text(self, question: Question) -> str:
        before, after = self._frame(question.instructions)
        return before + question.text + after

    def _tokens(self, question: Question) -> tuple[int, ...]:
        before, after = self._frame(question.instructions)
        encode = self.codec.encode
        return encode(before) + self.codec.encode_plain(question.text) + encode(after)

    def _render(self, instructions: str) -> tuple[str, str]:
        """What stands before and after the question."""
        tokenizer = self.codec.tokenizer
        if tokenizer.chat_template is None:
            rendered = _PLAIN.format(instructions=instructions)
        else:
            messages = [{"role": "system", "content": instructions}] if instructions else []
            messages.append({"role": "user", "content": _SLOT})
            rendered = str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
        if not rendered.rstrip().endswith(THINK_OPEN.strip()):
            rendered += THINK_OPEN
        before, after = rendered.split(_SLOT)
        return before, after
