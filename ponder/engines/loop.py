"""From plain code into the event loop: many coroutines at once, results in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end on a fresh event loop.

    Where a loop runs already, as in a notebook, the fresh one runs in a thread of its own and the caller's waits.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def gather_all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines together, so that an engine batches their calls; results in the order given.

    The first error stops the others and is raised.
    """

    async def together() -> list[T]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(c) for c in coroutines]
        return [task.result() for task in tasks]

    try:
        return run(together())
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
