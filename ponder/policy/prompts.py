"""Question to prompt tokens: the one place where a prompt is written, in training, search, evaluation and serving.

The prompt ends inside an opened `<think>` block, so what follows is thinking, `</think>`, answer. A model with a chat
template is asked through it, with the family's instructions as system message; a model without one gets plain text.

A revision is a further turn: the question, the earlier attempt as the model itself wrote it (thinking included), then
`REVISE` or, with a critique, `CRITIQUE`. Only what follows the attempt is new to the model; what comes before it has
run through the model when the attempt was drawn.
"""

from __future__ import annotations

from functools import lru_cache

from ponder.policy.codec import Codec
from ponder.types import Question, Trajectory

THINK_OPEN, THINK_CLOSE = "<think>\n", "</think>"
_SLOT = "\u2402question\u2403"  # stands for the question while the template is rendered; no template holds it
_ATTEMPT = "\u2402attempt\u2403"
REVISE = "Check this. If there is a mistake, correct it. Then answer again."
CRITIQUE = "A critic says: {critique}\nTake this into account and answer again."
_PLAIN_TURN = "\n\nUser: {request}\nAnswer: "
_PLAIN = "{instructions}\n\nQuestion: " + _SLOT + "\nAnswer: "


class Prompts:
    """Prompt tokens of questions for one model, cached: a question is asked many times."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.tokens = lru_cache(maxsize=65_536)(self._tokens)
        self._frame = lru_cache(maxsize=1024)(self._render)
        self._turn = lru_cache(maxsize=1024)(self._render_turn)
        self._user_turn = lru_cache(maxsize=1024)(self._render_user_turn)

    def text(self, question: Question) -> str:
        before, after = self._frame(question.instructions)
        return before + question.text + after

    def again(self, attempt: Trajectory, critique: str = "") -> tuple[int, ...]:
        """The tokens that follow `attempt` when the model is asked to answer its question once more."""
        before, after = self._turn(attempt.question.instructions, bool(critique))
        return self.codec.encode(before) + self.codec.encode_plain(critique) + self.codec.encode(after)

    def observation(self, question: Question, text: str) -> tuple[int, ...]:
        """The tokens that follow a turn of the model when an environment answers it with `text`, as text from outside.

        They begin as the template ends a turn of the model, and end where the model's next thinking begins.
        """
        before, after = self._user_turn(question.instructions, _SLOT)
        return self.codec.encode(before) + self.codec.encode_plain(text) + self.codec.encode(after)

    def _tokens(self, question: Question) -> tuple[int, ...]:
        before, after = self._frame(question.instructions)
        encode = self.codec.encode
        return encode(before) + self.codec.encode_plain(question.text) + encode(after)

    def _render(self, instructions: str) -> tuple[str, str]:
        """What stands before and after the question."""
        if self.codec.tokenizer.chat_template is None:
            rendered = _opened(_PLAIN.format(instructions=instructions))
        else:
            rendered = self._chat(instructions, {"role": "user", "content": _SLOT})
        before, after = rendered.split(_SLOT)
        return before, after

    def _render_turn(self, instructions: str, criticised: bool) -> tuple[str, str]:
        """What stands between an attempt and a critique of it, and after that critique (or all of it, and nothing)."""
        return self._render_user_turn(instructions, CRITIQUE.format(critique=_SLOT) if criticised else REVISE)

    def _render_user_turn(self, instructions: str, request: str) -> tuple[str, str]:
        """What stands between an answer of the model and the slot in `request`, and after it (or all, and nothing)."""
        if self.codec.tokenizer.chat_template is None:
            turn = _opened(_PLAIN_TURN.format(request=request))
        else:
            asked, said = {"role": "user", "content": "?"}, {"role": "assistant", "content": _ATTEMPT}
            turn = self._chat(instructions, asked, said, {"role": "user", "content": request}).split(_ATTEMPT)[1]
        before, _, after = turn.partition(_SLOT)
        return before, after

    def _chat(self, instructions: str, *messages: dict[str, str]) -> str:
        system = [{"role": "system", "content": instructions}] if instructions else []
        template = self.codec.tokenizer.apply_chat_template
        return _opened(str(template([*system, *messages], add_generation_prompt=True, tokenize=False)))


def _opened(text: str) -> str:
    """`text` ending in an opened block of thinking."""
    return text if text.rstrip().endswith(THINK_OPEN.strip()) else text + THINK_OPEN
