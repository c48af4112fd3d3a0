"""How the first turns of a group are drawn: plain sampling, or a search whose candidates are learned from.

A search spends an exact budget and gives all that it finished. Trajectories of one tree share their steps, so what a
step cost is paid once while each trajectory that runs through it can be learned from. They are no independent draws
of the policy: what a verifier selects is likelier to be here than in plain samples. The log-probabilities are those
of the draws all the same, so ratios in a loss are right token by token and the selection is not corrected.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ponder.protocols import Judge, Propose, Steered, Strategy, Until
from ponder.search.limits import Limits
from ponder.search.session.budget import Budget
from ponder.search.strategies.revision import Revision
from ponder.search.strategy import Thinking
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem, Question, Step, Trajectory, Usage


@dataclass(frozen=True, slots=True)
class Drawn:
    """First turns of one problem, what they cost, and what did not go as asked while searching."""

    trajectories: tuple[Trajectory, ...]
    usage: Usage
    degraded: str | None = None


class Draw(Protocol):
    """First turns for one problem; fewer than `size` mean that the source or the budget gave no more."""

    async def __call__(self, problem: Problem, size: int | None) -> Drawn: ...


@dataclass(frozen=True)
class Plain:
    """`size` independent answers of at most `max_tokens` tokens."""

    propose: Propose
    max_tokens: int
    seed: int

    async def __call__(self, problem: Problem, size: int | None) -> Drawn:
        if size is None:
            raise PonderError("group_size=None means all that a search finds; without a strategy give a number")
        question = problem.question
        leaves = await self.propose(question, None, size, until="end", max_tokens=self.max_tokens, seed=self.seed)
        trajectories = tuple(Trajectory(question, leaf) for leaf in leaves)
        return Drawn(trajectories, Usage(kept=float(sum(map(len, trajectories))), calls=1))


@dataclass(frozen=True)
class Searched:
    """What `strategy` finishes within `budget` token-equivalents a problem; a judge scores, never the key.

    Raises PonderError when it is made if no search could be made or learned from, before anything is drawn.
    """

    propose: Propose
    strategy: Strategy
    judge: Judge | None
    budget: float
    max_tokens: int
    seed: int

    def __post_init__(self) -> None:
        name, strategy = type(self.strategy).__name__, self.strategy
        Budget(self.budget)  # refuses what is no budget at all
        if isinstance(strategy, Revision):
            raise PonderError(_OTHER_PROMPT.format(name=name))
        if isinstance(strategy, Thinking) and strategy.needs_judge and self.judge is None:
            raise PonderError(f"{name} needs a verifier to choose with and got none; name one, or use vote")
        if not isinstance(strategy, Limits):
            return
        if self.budget < strategy.least:
            raise PonderError(
                f"{name}: a budget of {self.budget:g} token-equivalents a problem does not hold one sample; "
                f"the least is {strategy.least}: raise the budget or lower answer_reserve={strategy.answer_reserve}"
            )
        if strategy.max_tokens > self.max_tokens:
            raise PonderError(
                f"{name}: max_tokens={strategy.max_tokens} of the strategy is more than the {self.max_tokens} tokens "
                "that a trajectory may have here; make the strategy with that limit"
            )

    async def __call__(self, problem: Problem, size: int | None) -> Drawn:
        """At most `size` of the candidates (None: all), a seeded choice that knows neither scores nor outcomes."""
        if size == 0:
            return Drawn((), Usage())
        propose = _FromTheQuestion(self.propose) if isinstance(self.propose, Steered) else self.propose
        result = await self.strategy(problem.question, propose, self.judge, Budget(self.budget), seed=self.seed)
        found = tuple({t.leaf: t for t in result.trajectories}.values())  # a candidate twice is one sample
        return Drawn(_some(found, size, problem.id, self.seed), result.usage, result.degraded)


def _some(found: Sequence[Trajectory], size: int | None, name: str, seed: int) -> tuple[Trajectory, ...]:
    if size is None or len(found) <= size:
        return tuple(found)
    chosen = random.Random(derive_seed("members", seed, name)).sample(range(len(found)), size)
    return tuple(found[i] for i in sorted(chosen))


_OTHER_PROMPT = (
    "{name} shows the policy its own attempts, so its later answers belong to another prompt than the question and "
    "cannot be learned from as answers to it; use another strategy for training, for example vote, beam or mcts"
)


@dataclass(frozen=True)
class _FromTheQuestion:
    """A policy without the one way of asking it whose samples follow another prompt than the question's."""

    base: Steered

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        return await self.base(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)

    def answer(self, trajectory: Trajectory) -> str | None:
        return self.base.answer(trajectory)

    def greedy(self) -> Propose:
        return self.base.greedy()

    def say(self, prefix: Step | None, text: str) -> Step:
        return self.base.say(prefix, text)

    def room(self, question: Question, prefix: Step | None) -> int:
        return self.base.room(question, prefix)

    def revising(self, attempt: Trajectory, critique: str = "") -> tuple[Steered, int]:
        raise PonderError(_OTHER_PROMPT.format(name="the strategy chosen by the planner"))
