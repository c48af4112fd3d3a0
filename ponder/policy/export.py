"""A trained model for others: a chat template that asks it as it was trained, and the same in words.

A model that was asked with opened thinking and is later asked without answers worse (docs/log.md), so the opening goes
into the template, and `ponder_model.json` says for each family which messages were put to it and what became of them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from ponder.policy.frames.auto import template_of
from ponder.policy.prompts import Prompts
from ponder.types import Question

_OPENED = "{%- if add_generation_prompt and (enable_thinking is not defined or enable_thinking) -%}{{ OPENING }}"
_SLOT = "{question}"


def tokenizer_for_others(prompts: Prompts) -> PreTrainedTokenizerBase:
    """The tokenizer, with a chat template that ends in the frame's opening where its own does not."""
    tokenizer = prompts.codec.tokenizer
    template, opening = template_of(tokenizer), prompts.frame.opening
    if template is None or not prompts.chat or not opening or prompts.opens_itself():
        return tokenizer
    made = copy.copy(tokenizer)
    # A template's last line end is not written; behind more text it would be.
    ending = _OPENED.replace("OPENING", repr(opening)) + "{%- endif -%}"
    made.chat_template = template.removesuffix("\n") + ending
    return made


def asked(prompts: Prompts, questions: Sequence[Question]) -> dict[str, Any]:
    """For each family of `questions` the messages and the prompt that they became, with `{question}` in its place."""
    found: dict[str, Any] = {}
    for question in questions:
        slot = Question("", question.family, _SLOT, question.instructions)
        told = {"prompt": prompts.text(slot), "ends": prompts.frame.ends}
        found[question.family] = {"messages": prompts.messages(slot), **told} if prompts.chat else told
    return found
