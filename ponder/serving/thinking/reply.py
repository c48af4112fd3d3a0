"""An answer as the server gives it: what is visible, what was thought, the tree, the bill."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from ponder.policy.native.formats import ToolCall
from ponder.reports.tree import plan as tree_plan
from ponder.reports.tree.data import SearchTree
from ponder.serving.errors import ApiError
from ponder.serving.thinking.bill import Bill
from ponder.thinking import THINK_CLOSE, final_answer
from ponder.types import StopReason, Trajectory

Ending = Literal["answered", "deadline", "stopped", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Said:
    """One token of the visible answer with its log-probability under the sampler."""

    token: str
    logprob: float


@dataclass(frozen=True)
class Reply:
    """`content` is what the client reads, `refusal` why there is none, `finish` as the protocol calls it.

    `calls` are of the caller's tools, `call_ids` their ids, and `visible` the whole of what follows the thinking, calls
    included. `ending` says how the search ended; `error` is there where it failed and there is no answer at all. `form`
    says of an answer that must have one whether it was bounded while it was drawn, or checked afterwards only.
    """

    content: str
    thinking: str
    finish: Literal["stop", "length", "tool_calls"]
    ending: Ending
    bill: Bill
    strategy: str
    calls: tuple[ToolCall, ...] = ()
    visible: str = ""
    why: tuple[str, ...] = ()
    tree: SearchTree | None = None
    tokens: tuple[Said, ...] = ()
    refusal: str | None = None
    checked: bool | None = None
    score: float | None = None
    notes: tuple[str, ...] = ()
    error: ApiError | None = None
    version: int = 0
    form: Literal["bounded", "checked"] | None = None

    @cached_property
    def call_ids(self) -> tuple[str, ...]:
        """One for each call, made when it is first asked for."""
        return tuple(f"call_{secrets.token_hex(12)}" for _ in self.calls)


def visible(trajectory: Trajectory | None, stop: Sequence[str] = ()) -> tuple[str, str, bool]:
    """The answer of a trajectory, its thinking, and whether a stop string ended the answer."""
    text = "" if trajectory is None else trajectory.text
    answer = final_answer(text) or ""
    thought = text.rsplit(THINK_CLOSE, 1)[0] if THINK_CLOSE in text else ("" if answer else text)
    thinking = thought.replace(THINK_CLOSE, "").strip()
    at = min((place for string in stop if (place := answer.find(string)) >= 0), default=-1)
    return (answer, thinking, False) if at < 0 else (answer[:at], thinking, True)


def tokens_of(trajectory: Trajectory, content: str, decode: Callable[[tuple[int, ...]], str]) -> tuple[Said, ...]:
    """The tokens of the visible answer, in order; none where the engine gives no log-probabilities."""
    if any(map(math.isnan, trajectory.logprobs)):
        return ()
    text = trajectory.text
    answer = text[text.rindex(THINK_CLOSE) + len(THINK_CLOSE) :] if THINK_CLOSE in text else text
    said = [
        Said(decode((token,)), logprob)
        for step in trajectory.steps
        for token, logprob in zip(step.tokens, step.logprobs, strict=True)
    ]
    left, found = len(answer), list[Said]()
    while said and left > 0:
        found.append(said.pop())
        left -= len(found[-1].token)
    start, end = len(answer) - len(answer.lstrip()), len(answer) - len(answer.lstrip()) + len(content)
    at, shown = left, list[Said]()  # the first token may reach back into the mark that closes the thinking
    for token in reversed(found):
        if token.token and at < end and at + len(token.token) > start:
            shown.append(token)
        at += len(token.token)
    return tuple(shown)


def answer_tokens(trajectory: Trajectory | None, decode: Callable[[tuple[int, ...]], str] | None) -> int:
    """Tokens that the model drew after its thinking: those of the visible answer, the end of its turn included.

    Where tokens cannot be decoded (`decode` None) the answer's share is taken by characters.
    """
    if trajectory is None:
        return 0
    text = trajectory.text
    if THINK_CLOSE not in text:
        return len(trajectory) if final_answer(text) else 0
    left = len(text) - text.rindex(THINK_CLOSE) - len(THINK_CLOSE)
    if decode is None:
        return min(len(trajectory), round(len(trajectory) * left / len(text)))
    count = 0
    for token in reversed(trajectory.tokens):
        said = decode((token,))
        if said and left <= 0:
            break
        left -= len(said)
        count += 1
    return count


def ended_at(trajectory: Trajectory | None, stopped: bool) -> Literal["stop", "length"]:
    """The protocol's finish reason of an answer."""
    cut = trajectory is None or trajectory.stop in (StopReason.LENGTH, StopReason.CONTEXT, StopReason.CANCELLED)
    return "length" if cut and not stopped else "stop"


def explained(tree: SearchTree) -> tuple[str, ...]:
    """What the planner chose and why, in sentences; nothing for a strategy that was named."""
    return tuple(tree_plan.sentences(tree.plan)) if tree.plan is not None else ()


def failed(error: ApiError, bill: Bill, strategy: str, ending: Ending = "failed") -> Reply:
    """No answer, but a bill."""
    return Reply("", "", "length", ending, bill, strategy, error=error)


def with_bill(reply: Reply, before: Bill) -> Reply:
    """The reply with what was spent before it on answers that were not taken."""
    bill = replace(reply.bill + before, prompt=reply.bill.prompt, answer=reply.bill.answer, limit=before.limit)
    kept, lost = reply.bill.kept, before.kept
    return replace(reply, bill=replace(bill, kept=kept, discarded=bill.discarded + lost))
