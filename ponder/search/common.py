"""What strategies share: a `Desk` that proposes, judges and pays, and the limits of one trajectory.

Every call is paid for when it is made, from the tokens that came back. Calls of one round are awaited together, so the
engine sees them in one batch. Seeds are hashed from (seed, name, counter): the first draw from the root is the same in
all strategies, which therefore agree when they may draw only once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from ponder.protocols import Account, Judge, Propose, Until
from ponder.search.choose import Candidate, Rule
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, SearchResult, Step, StopReason, Trajectory

T = TypeVar("T")
LEAST_THINKING = 8  # tokens of thinking below which an answer is not worth asking for
_CUT = (StopReason.STEP, StopReason.LENGTH, StopReason.CONTEXT)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Tokens of one trajectory: at most `max_tokens`, of which `answer_reserve` are held back for its answer.

    A trajectory that is still thinking when only the reserve is left has its thinking closed by force.
    """

    needs_judge: ClassVar[bool] = False

    max_tokens: int = 512
    answer_reserve: int = 32

    def __post_init__(self) -> None:
        if self.answer_reserve < 1:
            raise PonderError(f"answer_reserve={self.answer_reserve}: an answer needs at least 1 token")
        if self.max_tokens < self.least:
            raise PonderError(
                f"max_tokens={self.max_tokens}: a trajectory needs at least {self.least} tokens "
                f"({LEAST_THINKING} to think, {self.answer_reserve} to answer); raise it or lower answer_reserve"
            )
        for name in ("n_max", "width", "expand", "step_tokens"):
            if getattr(self, name, 1) < 1:
                raise PonderError(f"{name}={getattr(self, name)}: at least 1 is needed")

    @property
    def least(self) -> int:
        """The smallest budget that yields an answer."""
        return self.answer_reserve + LEAST_THINKING

    def desk(self, question: Question, propose: Propose, judge: Judge | None, budget: Account, seed: int) -> Desk:
        """Check that the search can be made at all, and sit down to it."""
        name = type(self).__name__
        if self.needs_judge and judge is None:
            raise PonderError(f"{name} needs a verifier to choose with and got none; name one, or use vote")
        if budget.remaining < self.least:
            raise PonderError(
                f"{name}: a budget of {budget.remaining:g} token-equivalents is smaller than one answer; "
                f"the least is {self.least} ({LEAST_THINKING} to think, {self.answer_reserve} to answer): "
                "raise the budget or lower answer_reserve"
            )
        return Desk(self, question, propose, judge if self.needs_judge else None, budget, seed)


@dataclass
class Desk:
    """One search at work. `judge` becomes None when it raises: what it said is kept, and nothing more is paid to it."""

    limits: Limits
    question: Question
    propose: Propose
    judge: Judge | None
    budget: Account
    seed: int
    _counters: dict[str, int] = field(default_factory=dict)

    async def grow(
        self, prefix: Trajectory | None, n: int, *, until: Until, max_tokens: int, name: str
    ) -> list[Trajectory]:
        """`n` continuations of `prefix`, paid for. Fewer mean that the source has no more."""
        leaf = None if prefix is None else prefix.leaf
        seed = self._next_seed(name)
        leaves = await self.propose(self.question, leaf, n, until=until, max_tokens=max_tokens, seed=seed)
        self.budget.charge_generated(sum(new_tokens(end, leaf) for end in leaves))
        return [Trajectory(self.question, end) for end in leaves]

    async def close(self, trajectories: Sequence[Trajectory]) -> list[Trajectory]:
        """The same trajectories, those that were cut with a forced answer of at most `answer_reserve` tokens."""
        closed = list(trajectories)
        cut = [i for i, t in enumerate(trajectories) if t.stop in _CUT]
        reserve = self.limits.answer_reserve
        answers = await together(
            [self.grow(trajectories[i], 1, until="answer", max_tokens=reserve, name="answer") for i in cut]
        )
        for i, answered in zip(cut, answers, strict=True):
            closed[i] = answered[0] if answered else closed[i]
        return closed

    async def scores(self, trajectories: Sequence[Trajectory]) -> list[float | None]:
        """The judge's scores, paid for. None where it failed; it is paid all the same, since it may have computed."""
        if self.judge is None or not trajectories:
            return [None] * len(trajectories)
        self.budget.charge_verifier(math.fsum(map(self.judge.cost, trajectories)))
        try:
            verdicts = await self.judge(self.question, trajectories)
            scores = [v.score for v in verdicts]
            if len(scores) != len(trajectories):
                raise ValueError(f"{len(scores)} verdicts for {len(trajectories)} trajectories")
        except Exception as error:  # a broken judge must not lose the samples: they are voted on instead
            _log.warning("%s: the judge failed, voting goes on without it: %s", self.question.id, error)
            self.judge = None
            return [None] * len(trajectories)
        return [s if s is not None and math.isfinite(s) else None for s in scores]

    async def judged(self, trajectories: Sequence[Trajectory]) -> list[Candidate]:
        """Candidates with scores. A single one is left unscored, since there is nothing to choose."""
        scores = await self.scores(trajectories) if len(trajectories) > 1 else [None] * len(trajectories)
        return self.candidates(trajectories, scores)

    def candidates(
        self, trajectories: Sequence[Trajectory], scores: Sequence[float | None] | None = None
    ) -> list[Candidate]:
        """Candidates with their canonical answers."""
        known = scores or [None] * len(trajectories)
        return [Candidate(t, self.propose.answer(t), s) for t, s in zip(trajectories, known, strict=True)]

    def cost(self, tokens: int) -> float:
        """The most that judging a trajectory of at most `tokens` tokens costs; 0 without a judge."""
        return self.judge.bound(self.question, tokens) if self.judge else 0.0

    def result(self, candidates: Sequence[Candidate], rule: Rule) -> SearchResult:
        """The choice by `rule`. `scores` is empty for a strategy without a judge; None in it says: not scored."""
        trajectories = tuple(c.trajectory for c in candidates)
        scores = tuple(c.score for c in candidates) if self.limits.needs_judge else ()
        if not candidates:
            return SearchResult(self.question, None, None, self.budget.usage(0))
        chosen = rule(candidates)
        usage = self.budget.usage(len(chosen.trajectory))
        return SearchResult(self.question, chosen.answer, chosen.trajectory, usage, trajectories, scores)

    def _next_seed(self, name: str) -> int:
        count = self._counters.get(name, 0)
        self._counters[name] = count + 1
        return derive_seed("search", name, self.seed, count)


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
