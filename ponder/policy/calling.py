"""Thinking with tools: draw up to a call, let the tool run, read its result, go on drawing.

One continuation stays one continuation, whoever asked for it: the call, the forced step with its result and what is
drawn after it are steps of one chain. So search and training meet calls as they meet any other step. All tokens, those
of results too, count against the limit of the continuation.

Calls come in two forms. A tagged call stands in the middle of the thinking and its result behind it. A call in the
model's own format ends the turn (`StopReason.CALL`), and the result is the turn that its template writes for it
(`Step.is_result`); what is graded is what the model says after the last result.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ponder.policy.native.formats import ToolFormat
from ponder.protocols import Answered, ToolBroken, ToolUse
from ponder.seeds import derive_seed
from ponder.types import Question, Step, StopReason, Trajectory

# Draws once after a prefix: (prefix, stop strings, most new tokens, seed) -> leaf.
Once = Callable[[Step | None, tuple[str, ...], int, int], Awaitable[Step]]


class Form(Protocol):
    """How calls are written: where drawing pauses, and what follows a chain that has paused or ended."""

    @property
    def marks(self) -> tuple[str, ...]: ...

    async def follow(self, question: Question, leaf: Step) -> tuple[Step, Step] | None:
        """The leaf as it is kept and the forced step with the result behind it; None: it calls nothing."""
        ...


@dataclass(frozen=True)
class Tagged:
    """Calls in the middle of the thinking, which `close` ends (empty: nothing does). `say` makes the forced step.

    A call behind the end of the thinking is no call but part of the answer.
    """

    tools: ToolUse
    say: Callable[[Step, str], Step]
    close: str

    @property
    def marks(self) -> tuple[str, ...]:
        return self.tools.marks

    async def follow(self, question: Question, leaf: Step) -> tuple[Step, Step] | None:
        text = Trajectory(question, leaf).response
        if leaf.stop is not StopReason.STEP or (self.close and self.close in text):
            return None
        result = await self.tools.reply(text)
        return None if result is None else (leaf, self.say(leaf, result))


@dataclass(frozen=True)
class Native:
    """Calls in the model's own format. `say` makes the forced step of some results, `read` takes them out of one."""

    tools: ToolUse
    format: ToolFormat
    say: Callable[[Question, Step, Sequence[str]], Step]
    read: Callable[[Question, Step, int], list[str]]

    @property
    def marks(self) -> tuple[str, ...]:
        return ()

    async def follow(self, question: Question, leaf: Step) -> tuple[Step, Step] | None:
        if leaf.stop is not StopReason.END:
            return None
        called = self.format.parse(Trajectory(question, leaf).response).calls
        if not called:
            return None
        before = self._before(question, leaf)
        for call in called:
            result = await self.tools.answer(call.name, call.arguments, call.broken, before)
            before.append(Answered(call.name, call.arguments, result))
        leaf = replace(leaf, stop=StopReason.CALL)
        return leaf, self.say(question, leaf, [one.result for one in before[-len(called) :]])

    def _before(self, question: Question, leaf: Step) -> list[Answered]:
        """The calls of this chain that were answered before, since an environment last said something."""
        found: list[Answered] = []
        for step in Trajectory(question, leaf).steps:
            if step.is_observation:
                found = []
            if step.is_result and step.parent is not None:
                called = self.format.parse(Trajectory(question, step.parent).response).calls
                results = self.read(question, step, len(called))
                found += [Answered(c.name, c.arguments, r) for c, r in zip(called, results, strict=False)]
        return found


async def draw_with_tools(
    form: Form,
    once: Once,
    room: Callable[[Step], int],
    question: Question,
    prefix: Step | None,
    stop: tuple[str, ...],
    max_tokens: int,
    seed: int,
) -> Step:
    """The leaf of one continuation of at most `max_tokens` new tokens, results included.

    `room` says how many tokens the context holds after a step. A result after which nothing could be drawn is not
    read, and the continuation is cut there; a tool that broke ends it with `StopReason.TOOL`.
    """
    node, left, draws = prefix, max_tokens, 0
    while True:
        leaf = await once(node, (*stop, *form.marks), left, derive_seed("draw", seed, draws) if draws else seed)
        drawn = _since(leaf, node)
        left -= sum(len(step.tokens) for step in drawn)
        draws += 1
        try:
            followed = await form.follow(question, leaf)
        except ToolBroken as error:
            warnings.warn(f"{question.id}: {error}", RuntimeWarning, stacklevel=2)
            return replace(leaf, stop=StopReason.TOOL)
        if followed is None:
            if leaf.stop is not StopReason.STEP or any(mark in "".join(s.text for s in drawn) for mark in stop):
                return leaf
            node = leaf
        else:
            leaf, node = followed
            left -= len(node.tokens)
        if left < 1 or room(node) < 1:
            return replace(leaf, stop=StopReason.LENGTH if left < 1 else StopReason.CONTEXT)


def _since(leaf: Step, prefix: Step | None) -> list[Step]:
    """The steps from `prefix` (None: the root), which is left out, to `leaf`."""
    steps, node = [], leaf if leaf is not prefix else None
    while node is not None and node is not prefix:
        steps.append(node)
        node = node.parent
    return steps[::-1]
