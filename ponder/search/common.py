"""Two small things that all searches share: counting the tokens of a continuation, and awaiting calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from ponder.types import Step

T = TypeVar("T")


def new_tokens(leaf: Step, prefix: Step | None) -> int:
    """Tokens from `prefix` (None: the root) to `leaf`."""
    count, node = 0, leaf if leaf is not prefix else None
    while node is not None and node is not prefix:
        count += len(node.tokens)
        node = node.parent
    return count


async def together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all calls at once, results in order. If one fails the others are cancelled and its error is raised."""
    if len(calls) < 2:
        return [await call for call in calls]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
