"""Ponder's families as a taskset of the package `verifiers` (0.4 and later).

That package finds tasksets as top-level modules, so write a file `ponder_taskset.py` of two lines where Python finds
it, and its id is `ponder_taskset`:

    from ponder.api.interop.taskset import PonderTaskset
    __all__ = ["PonderTaskset"]

Each task is one problem; its reward `right` is ground truth of Ponder (1.0 or 0.0). An answer that could not be judged
raises, so that it is an error of the task and no zero. Programs are judged in the sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import verifiers.v1 as vf

from ponder.api.problems import ground_truth, load_families
from ponder.protocols import Family
from ponder.types import Problem


class PonderConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Which problems: `count` of the family `spec` (`arithmetic?terms=4`), of one split and seed."""

    spec: str = "arithmetic"
    split: str = "train"
    seed: int = 0
    count: int = 1000


class PonderData(vf.TaskData):  # type: ignore[misc]
    """Where the problem comes from; the key stays here."""

    spec: str
    split: str
    seed: int
    index: int


class PonderTask(vf.Task[PonderData, vf.State, vf.TaskConfig]):  # type: ignore[misc]
    """One problem."""

    @vf.reward  # type: ignore[untyped-decorator]
    async def right(self, task: PonderData, trace: Any) -> float:
        family = _family(task.spec)
        problem = family.problem(task.index, split=task.split, seed=task.seed)
        return await asyncio.to_thread(_outcome, family, problem, trace.last_reply)


class PonderTaskset(vf.Taskset[PonderTask, PonderConfig]):  # type: ignore[misc]
    """`count` problems of a family."""

    def load(self) -> Iterator[PonderTask]:
        config = self.config
        family = _family(config.spec)
        for index in range(config.count):
            question = family.problem(index, split=config.split, seed=config.seed).question
            data = PonderData(
                prompt=question.text,
                system_prompt=question.instructions or None,
                id=question.id,
                spec=config.spec,
                split=config.split,
                seed=config.seed,
                index=index,
            )
            yield PonderTask(data, config.task)


@lru_cache(maxsize=32)
def _family(spec: str) -> Family:
    (family,) = load_families([spec])
    return family


def _outcome(family: Family, problem: Problem, response: str) -> float:
    with ground_truth([family]) as truth:
        (verdict,) = truth.grade([problem], [response])
    if verdict.outcome is None:
        raise RuntimeError(f"{problem.id} could not be judged ({verdict.failure}): {verdict.detail}")
    return verdict.outcome


__all__ = ["PonderTaskset"]
