"""One strategy at one budget on many problems: on a pool, or live."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ponder.evaluation.pools.lost_runs import Losses
from ponder.evaluation.pools.pool import Live, Pool, PoolEntry
from ponder.evaluation.pools.replay import PoolJudge, PoolPropose
from ponder.protocols import Strategy
from ponder.search.common import together
from ponder.search.session.budget import Budget
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem, SearchResult, Usage


@dataclass(frozen=True, slots=True)
class ProblemRuns:
    """Outcomes (1.0 right, 0.0 wrong, no answer is wrong) and costs of the runs on one problem."""

    id: str
    family: str
    outcomes: tuple[float, ...]
    usages: tuple[Usage, ...]

    @property
    def accuracy(self) -> float:
        return sum(self.outcomes) / len(self.outcomes)

    @property
    def spent(self) -> float:
        """Mean token-equivalents of a run."""
        return sum(usage.spent for usage in self.usages) / len(self.usages)


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of `strategy` at `budget`. `dry` is the share of runs that used up their pool (0 when live).

    `failures` runs could not be graded or were lost, and are left out; a problem without any other run is left out too.
    `errors` says of each lost run which call of the engine it was lost with.
    """

    strategy: str
    budget: float
    problems: tuple[ProblemRuns, ...]
    dry: float = 0.0
    failures: int = 0
    errors: tuple[str, ...] = ()

    def of(self, family: str) -> Runs:
        """The runs of one family."""
        return replace(self, problems=tuple(p for p in self.problems if p.family == family))

    def among(self, ids: Collection[str]) -> Runs:
        """The runs on the problems in `ids`."""
        return replace(self, problems=tuple(p for p in self.problems if p.id in ids))


Outcome = tuple[Problem, float | None, Usage, bool]  # the last says whether the pool ran dry


async def replay(name: str, strategy: Strategy, pool: Pool, budget: float, *, orders: int = 4, seed: int = 0) -> Runs:
    """Run `strategy` on every problem of `pool` in `orders` random orders of its samples.

    The orders of a problem depend on `seed` alone, so strategies and budgets meet the same orders and can be paired.
    """
    _check_orders(orders)

    async def one(entry: PoolEntry) -> list[Outcome]:
        judge = PoolJudge(entry) if entry.live.judge is not None else None
        outcomes = []
        for order in range(orders):
            propose = PoolPropose(entry, pool, derive_seed("order", seed, order))
            result = await strategy(entry.problem.question, propose, judge, Budget(budget), seed=order)
            outcomes.append((entry.problem, propose.outcome(result.trajectory), result.usage, propose.dry))
        return outcomes

    found = await asyncio.gather(*map(one, pool.entries))
    return _runs(name, budget, [outcome for some in found for outcome in some])


async def run_live(
    name: str,
    strategy: Strategy,
    problems: Sequence[Problem],
    live: Live,
    budget: float,
    *,
    repeats: int = 1,
    seed: int = 0,
) -> Runs:
    """Run `strategy` on `problems` against the live policy and verifier, all at once, `repeats` times each.

    A run whose call the engine could not serve is lost: neither right nor wrong, and what it had spent is not known.
    The others go on. Raises EngineError if all are lost, or the first `losses.GIVE_UP` before any came to its end.
    """
    _check_orders(repeats)
    losses = Losses(len(problems) * repeats)

    async def one(problem: Problem, repeat: int) -> SearchResult | None:
        draw = derive_seed("live", seed, repeat)
        return await losses.kept(strategy(problem.question, live.propose, live.judge, Budget(budget), seed=draw))

    jobs = [problem for problem in problems for _ in range(repeats)]
    results = await together([one(problem, repeat) for problem in problems for repeat in range(repeats)])
    losses.refuse_if_all()
    outcomes = await _graded(jobs, results, live)
    return replace(_runs(name, budget, outcomes), errors=tuple(losses.errors))


async def _graded(jobs: Sequence[Problem], results: Sequence[SearchResult | None], live: Live) -> list[Outcome]:
    """All answers graded in one call. No answer is wrong; a run that was lost has no outcome."""
    held = [(p, r.trajectory) for p, r in zip(jobs, results, strict=True) if r is not None and r.trajectory is not None]
    verdicts = iter(await live.verdicts([p for p, _ in held], [t for _, t in held]))
    outcomes: list[Outcome] = []
    for problem, result in zip(jobs, results, strict=True):
        if result is None:
            outcomes.append((problem, None, Usage(), False))
        else:
            right = 0.0 if result.trajectory is None else next(verdicts).outcome
            outcomes.append((problem, right, result.usage, False))
    return outcomes


def _runs(name: str, budget: float, outcomes: Sequence[Outcome]) -> Runs:
    grouped: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome[1] is not None:
            grouped.setdefault(outcome[0].id, []).append(outcome)
    problems = tuple(
        ProblemRuns(id, some[0][0].family, tuple(y for _, y, _, _ in some if y is not None), tuple(o[2] for o in some))
        for id, some in grouped.items()
    )
    dry = sum(outcome[3] for outcome in outcomes) / len(outcomes) if outcomes else 0.0
    return Runs(name, budget, problems, dry, sum(outcome[1] is None for outcome in outcomes))


def _check_orders(orders: int) -> None:
    if orders < 1:
        raise PonderError(f"{orders} runs a problem; at least 1 is needed")
