"""Whether a chat template shows a model its earlier turns as they were, or rewrites them (Qwen3 drops the thinking).

Ponder never asks the template for a turn that was sampled here: a later turn is drawn and trained on behind the very
tokens of the earlier ones. With a template that rewrites, the model then reads more than it would in a chat of another
server, where every turn is rendered anew. That is told, by `ponder models check` and when a run of several turns
begins, and not hidden; it cannot make tokens differ between sampling and training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ponder.policy.prompts import Prompts
from ponder.types import PonderError, Question

History = Literal["kept", "spacing", "thinking", "other"]
_ASKED = Question("turns", "", "What is 1 + 2?")
_NEXT = "And twice that?"
_SENTENCES: dict[History, str] = {
    "kept": "the chat template shows earlier turns as they were",
    "spacing": "the chat template shows earlier turns as they were, but for white space",
    "thinking": "the chat template takes the thinking out of earlier turns",
    "other": "the chat template rewrites earlier turns",
}
KEPT = "Ponder keeps the tokens that were sampled, thinking included"


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What the template does; `kept` and `rendered` are the same two turns as Ponder holds them and as it has them."""

    history: History
    kept: str
    rendered: str

    @property
    def sentence(self) -> str:
        """What happens to earlier turns, in one sentence."""
        what = _SENTENCES[self.history]
        return what if self.history in ("kept", "spacing") else f"{what}; {KEPT}"


def rewriting(prompts: Prompts) -> Rewriting:
    """What the chat template of this model makes of an answer once the user has spoken again."""
    frame = prompts.frame
    said = f"One and two.\n{frame.close}3" if frame.close else "One and two are 3."
    behind = _NEXT.join(prompts.turn(_ASKED))
    kept = prompts.text(_ASKED) + said + behind
    try:
        rendered = prompts.rendered(_ASKED, frame.opening + said, _NEXT)
    except PonderError as error:
        return Rewriting("other", kept, str(error))
    bare, theirs = _bare(kept), _bare(rendered)
    if kept == rendered:
        history: History = "kept"
    elif bare == theirs:
        history = "spacing"
    elif frame.close and _bare(kept.replace(f"{frame.opening}{said}", "3", 1)) == theirs:
        history = "thinking"
    else:
        history = "other"
    return Rewriting(history, kept, rendered)


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)
