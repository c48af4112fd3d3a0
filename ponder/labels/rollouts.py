"""Continuations of the prefixes of one problem: drawn, graded, paid for and remembered.

`Source` is shared by all problems: what waits for a grade at the same time is graded in one call, and the engine
behind `propose` batches the draws in the same way. `Rollouts` belongs to one problem and to one budget. A prefix is
known by its tokens, so trajectories that begin alike share what was drawn after their beginning, and its seed comes
from its tokens, so the draws are the same whatever else is labelled, in whatever order.

Costs are generated tokens, as in search. A request is made only if its worst case (every rollout runs to the limit)
still fits the budget; the first that does not fit is refused, and nothing is ever overspent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ponder.protocols import Propose
from ponder.rollout.collect import Grade
from ponder.rollout.grading import graded
from ponder.search.common import new_tokens
from ponder.search.session.budget import Budget
from ponder.seeds import derive_seed
from ponder.thinking import reading_of
from ponder.types import Group, PonderError, Problem, Step, Trajectory, Verdict

Prefix = tuple[int, ...]
_TURNS = 4  # turns of the event loop that a call to the grader waits for others to join it


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was drawn after a prefix: the ends of the rollouts and their outcomes (None: could not be judged)."""

    leaves: tuple[Step, ...]
    outcomes: tuple[float | None, ...]

    @property
    def judged(self) -> tuple[float, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome is not None)

    @property
    def value(self) -> float | None:
        """Share of right ends among those that could be judged; None if none could."""
        return sum(self.judged) / len(self.judged) if self.judged else None


class Source:
    """Where rollouts of all problems come from. `max_tokens` bounds prefix and continuation together.

    `price` is what one of its tokens costs, in token-equivalents: 1 for the policy itself.
    """

    def __init__(self, propose: Propose, grade: Grade, *, max_tokens: int, seed: int, price: float = 1.0) -> None:
        self.propose = propose
        self.price = price
        self.max_tokens = max_tokens
        self.seed = seed
        self._grade, self._read = grade, reading_of(propose)
        self._waiting: list[tuple[Problem, Trajectory, asyncio.Future[Verdict]]] = []
        self._pump: asyncio.Task[None] | None = None

    async def draw(self, problem: Problem, prefix: Step | None, n: int, name: str) -> list[Step]:
        left = self.max_tokens - new_tokens(prefix, None) if prefix else self.max_tokens
        seed = derive_seed(name, self.seed, tokens_of(prefix))
        return await self.propose(problem.question, prefix, n, until="end", max_tokens=left, seed=seed)

    async def estimates(self, jobs: Sequence[tuple[Problem, Step | None]], n: int) -> list[Estimate]:
        """Draw `n` rollouts after every prefix at once, then grade all of them in one call, in the order of `jobs`."""
        drawn = await asyncio.gather(*(self.draw(problem, prefix, n, "step label") for problem, prefix in jobs))
        flat = [(problem, leaf) for (problem, _), leaves in zip(jobs, drawn, strict=True) for leaf in leaves]
        trajectories = [Trajectory(problem.question, leaf) for problem, leaf in flat]
        verdicts = iter(graded(self._grade, [problem for problem, _ in flat], trajectories, read=self._read))
        return [Estimate(tuple(leaves), tuple(next(verdicts).outcome for _ in leaves)) for leaves in drawn]

    async def grade(self, problem: Problem, leaves: Sequence[Step]) -> list[Verdict]:
        """Verdicts of whole responses; calls that wait together are graded together, off the event loop."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in leaves]
        trajectories = [Trajectory(problem.question, leaf) for leaf in leaves]
        self._waiting += [(problem, t, future) for t, future in zip(trajectories, futures, strict=True)]
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._run())
        return list(await asyncio.gather(*futures))

    async def _run(self) -> None:
        while self._waiting:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            batch, self._waiting = self._waiting, []
            try:
                verdicts = await asyncio.to_thread(
                    partial(graded, read=self._read),
                    self._grade,
                    [p for p, _, _ in batch],
                    [t for _, t, _ in batch],
                )
            except Exception as error:  # every waiter must learn of it, or the labelling would hang
                for *_, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (*_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)


@dataclass
class Rollouts:
    """The rollouts of one problem. `budget` None is no limit.

    `drawn` counts what was sampled and `spent` its cost in token-equivalents.
    """

    problem: Problem
    source: Source
    budget: Budget | None = None
    drawn: int = 0
    spent: float = 0.0
    known: dict[tuple[Prefix, int], Estimate] = field(default_factory=dict)
    _reserved: float = 0.0

    async def group(self, size: int) -> Group | None:
        """`size` judged responses to the question; None if nothing could be sampled."""
        found = await self._draw(None, size, "label group")
        if found is None:
            raise PonderError(
                f"{self.problem.id}: a budget of {self.budget.limit if self.budget else 0:g} token-equivalents a "
                f"problem does not hold {size} responses of up to {self.source.max_tokens} tokens; raise the budget "
                "or lower the responses or the token limit"
            )
        leaves, verdicts = found
        trajectories = tuple(Trajectory(self.problem.question, leaf) for leaf in leaves)
        return Group(self.problem, trajectories, tuple(verdicts)) if leaves else None

    async def after(self, prefix: Step | None, n: int) -> Estimate | None:
        """`n` rollouts after `prefix` (None: the question itself); the same prefix is drawn only once.

        None if the budget does not hold them. Fewer than `n` leaves mean that the prefix has used up its tokens.
        """
        key = (tokens_of(prefix), n)
        if key not in self.known:
            found = await self._draw(prefix, n, "step label")
            if found is None:
                return None
            leaves, verdicts = found
            self.known[key] = Estimate(tuple(leaves), tuple(verdict.outcome for verdict in verdicts))
        return self.known[key]

    async def _draw(self, prefix: Step | None, n: int, name: str) -> tuple[list[Step], list[Verdict]] | None:
        worst = self.source.price * n * max(0, self.source.max_tokens - len(tokens_of(prefix)))
        if self.budget is not None and worst > self.budget.remaining - self._reserved:
            return None
        self._reserved += worst
        try:
            leaves = await self.source.draw(self.problem, prefix, n, name)
        finally:
            self._reserved -= worst
        cost = self.source.price * sum(new_tokens(leaf, prefix) for leaf in leaves)
        if self.budget is not None:
            self.budget.charge_generated(cost)
        self.spent += cost
        self.drawn += len(leaves)
        return leaves, await self.source.grade(self.problem, leaves) if leaves else []


def tokens_of(prefix: Step | None) -> Prefix:
    """The generated tokens up to and including `prefix`."""
    return () if prefix is None else tuple(token for step in prefix.path for token in step.tokens)
