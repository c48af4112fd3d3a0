"""The choice of a frame by what lies beside the weights and by the chat template."""

from __future__ import annotations

import re
from typing import Literal

from transformers import PreTrainedTokenizerBase

from ponder.policy.frames.chain import Chain
from ponder.policy.frames.few_shot import FewShot
from ponder.policy.frames.frame import Frame
from ponder.policy.frames.thinking import Native
from ponder.thinking import THINK_CLOSE, THINK_OPEN

_SWITCH = re.compile(r"\b(?:enable_thinking|thinking)\b")
_GENERATION = re.compile(r"add_generation_prompt.*", re.DOTALL)


class Auto(Frame):
    """The frame that was saved with the model; else by its template: own thinking mode, plain chain, or examples."""

    kind: Literal["auto"] = "auto"

    def chosen(self, tokenizer: PreTrainedTokenizerBase, saved: object = None) -> Frame:
        return _choose(tokenizer, saved)[0]

    def why(self, tokenizer: PreTrainedTokenizerBase, saved: object = None) -> str:
        return _choose(tokenizer, saved)[1]


def _choose(tokenizer: PreTrainedTokenizerBase, saved: object) -> tuple[Frame, str]:
    if isinstance(saved, Frame):
        return saved, "saved with the model (ponder_model.json): it was trained so"
    template = template_of(tokenizer)
    if template is None:
        return FewShot(), "there is no chat template, so it is asked as a base model, with examples"
    if THINK_OPEN in "".join(_GENERATION.findall(template)):
        return Native(), "the chat template itself writes <think> where the answer begins"
    known = THINK_CLOSE in tokenizer.get_vocab()
    if known and _SWITCH.search(template):
        return Native(), "the chat template has a switch for thinking, and </think> is a token"
    if known and THINK_CLOSE in template:
        return Native(), "the chat template takes the thinking out of earlier answers, and </think> is a token"
    return Chain(), "the chat template knows no thinking, so it reasons in plain words and marks its answer"


def template_of(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The chat template that answers are asked with; None if there is none (of several the one named default)."""
    template: object = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default", next(iter(template.values()), None))
    return template if isinstance(template, str) and template.strip() else None
