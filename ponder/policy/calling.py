"""Thinking with tools: draw up to a call, let the tool run, read its result, go on drawing.

One continuation stays one continuation, whoever asked for it: the call, the forced step with its result and what is
drawn after it are steps of one chain. So search and training meet calls as they meet any other step. All tokens, those
of results too, count against the limit of the continuation.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ponder.protocols import ToolBroken, ToolUse
from ponder.seeds import derive_seed
from ponder.thinking import THINK_CLOSE
from ponder.types import Question, Step, StopReason, Trajectory

# Draws once after a prefix: (prefix, stop strings, most new tokens, seed) -> leaf.
Once = Callable[[Step | None, tuple[str, ...], int, int], Awaitable[Step]]


async def draw_with_tools(
    tools: ToolUse,
    once: Once,
    say: Callable[[Step, str], Step],
    room: Callable[[Step], int],
    question: Question,
    prefix: Step | None,
    stop: tuple[str, ...],
    max_tokens: int,
    seed: int,
) -> Step:
    """The leaf of one continuation of at most `max_tokens` new tokens, results included.

    `say` makes the forced step of a result, `room` says how many tokens the context holds after a step. A result after
    which nothing could be drawn is not read, and the continuation is cut there; a tool that broke ends it with
    `StopReason.TOOL`. A call behind the end of the thinking is no call but part of the answer.
    """
    node, left, draws = prefix, max_tokens, 0
    while True:
        leaf = await once(node, (*stop, *tools.marks), left, derive_seed("draw", seed, draws) if draws else seed)
        drawn = _since(leaf, node)
        left -= sum(len(step.tokens) for step in drawn)
        draws += 1
        if leaf.stop is not StopReason.STEP:
            return leaf
        text = Trajectory(question, leaf).response
        try:
            result = None if THINK_CLOSE in text else await tools.reply(text)
        except ToolBroken as error:
            warnings.warn(f"{question.id}: {error}", RuntimeWarning, stacklevel=2)
            return replace(leaf, stop=StopReason.TOOL)
        node = leaf
        if result is not None:
            node = say(leaf, result)
            left -= len(node.tokens)
        elif any(mark in "".join(step.text for step in drawn) for mark in stop):
            return leaf
        if left < 1 or room(node) < 1:
            return replace(leaf, stop=StopReason.LENGTH if left < 1 else StopReason.CONTEXT)


def _since(leaf: Step, prefix: Step | None) -> list[Step]:
    """The steps from `prefix` (None: the root), which is left out, to `leaf`."""
    steps, node = [], leaf if leaf is not prefix else None
    while node is not None and node is not prefix:
        steps.append(node)
        node = node.parent
    return steps[::-1]
