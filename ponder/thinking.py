"""Where the thinking of a response ends and its answer begins; the one rule that families and verifiers share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ponder.types import StopReason, Trajectory

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
Reading = Callable[[Trajectory], str]
_BOX = "\\boxed{"
_CUT = (StopReason.LENGTH, StopReason.CONTEXT, StopReason.CANCELLED)


def final_answer(response: str) -> str | None:
    """The text after the last `</think>`, stripped; None if the thinking never ends or nothing follows it.

    A response without any thinking marks is all answer. Thinking that opens and never closes has no answer: what
    stands inside it is not one.
    """
    if THINK_CLOSE in response:
        answer = response.rsplit(THINK_CLOSE, 1)[1].strip()
    elif THINK_OPEN in response:
        return None
    else:
        answer = response.strip()
    return answer or None


def graded_text(trajectory: Trajectory, *, opened: bool = True) -> str:
    """The text of a trajectory (of its last turn) as a grader is to read it.

    The mark that opens the thinking stands in the prompt and not in the response. If such a response was cut (by its
    limit, the context or a stop from outside) before its thinking ended, the mark is put in front: all of it is
    thinking, and a guess inside is no answer. `opened` is False where the prompt opens no thinking (a chat server).
    """
    text = trajectory.response
    unfinished = opened and trajectory.stop in _CUT and THINK_CLOSE not in text
    return f"{THINK_OPEN}\n{text}" if unfinished else text


def formed(trajectory: Trajectory) -> bool:
    """Whether a response (its last turn) ended by itself with an answer behind its thinking."""
    return trajectory.stop is StopReason.END and bool(final_answer(trajectory.response))


def opens_thinking(propose: object) -> bool:
    """Whether the prompts of what proposes end in opened thinking; True unless it says otherwise."""
    return bool(getattr(propose, "opens_thinking", True))


def reading_of(propose: object) -> Reading:
    """How graders read what `propose` says: by its frame (`graded`), else by the rule of thinking tags."""
    own = getattr(propose, "graded", None)
    return own if callable(own) else partial(graded_text, opened=opens_thinking(propose))


def last_box(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}` that closes, stripped; None if there is none or it is empty."""
    at = text.rfind(_BOX)
    while at >= 0:
        depth, start = 1, at + len(_BOX)
        for i, sign in enumerate(text[start:], start):
            depth += (sign == "{") - (sign == "}")
            if not depth:
                return text[start:i].strip() or None
        at = text.rfind(_BOX, 0, at)
    return None
