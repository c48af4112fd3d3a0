"""OmegaPRM (arXiv 2406.06592): find the first error of wrong rollouts by binary search, and keep all that is seen.

Between a state from which some rollouts end right and the wrong end of one rollout, the middle prefix is rolled out k
times. If any rollout ends right the error lies later, else it lies at or before it. M steps cost k * ceil(log2 M)
rollouts instead of k * M. Every prefix seen on the way is a state with a label of its own, and its wrong rollouts are
searched later, beginning where they left the known good prefix.

A question whose first responses are all right or all wrong is dropped. Where values are not monotone (a lucky recovery
after an error) the search still ends, since the bracket only shrinks, with *a* step where success was lost.

Where the sources leave room: the value of the question is the solve rate of its first responses; a prefix met again is
not rolled out again; a searched pair leaves the pool; the values of other states do not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ponder.labels.labelled import Labelled
from ponder.labels.omega_pool import Candidate, OmegaSettings, Pool, State
from ponder.labels.rollouts import Prefix, Rollouts, tokens_of
from ponder.search.common import new_tokens
from ponder.types import Group, Step, StepLabel, Trajectory


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One binary search: the rollout, the index of its first wrong step, and how many prefixes it had to evaluate.

    `first_error` is None if the budget ran out or a prefix could not be judged on the way.
    """

    leaf: Step
    first_error: int | None
    evaluations: int


@dataclass
class Omega:
    """The searches of one problem. `values` are the states by their tokens: (value, rollouts judged).

    `spent` says that the budget refused a prefix, which ends the work.
    """

    rollouts: Rollouts
    settings: OmegaSettings
    pool: Pool
    values: dict[Prefix, tuple[float, int]] = field(default_factory=dict)
    spent: bool = False

    async def run(self, group: Group) -> list[Search]:
        """Search until the pool, the number of searches or the budget is used up."""
        judged = group.judged
        wrong = [(t.leaf, len(t)) for t, outcome in judged if outcome < 1]
        if len(wrong) in (0, len(judged)):
            return []
        self.pool.add(State(None, 1 - len(wrong) / len(judged)), wrong)
        done: list[Search] = []
        while len(done) < self.settings.searches and (candidate := self.pool.take()):
            done.append(await self.search(candidate))
            if self.spent:
                break
        return done

    async def search(self, candidate: Candidate) -> Search:
        """Binary search between the good state and the wrong end. Positions count the steps of a prefix."""
        path = candidate.leaf.path
        good = len(candidate.state.prefix.path) if candidate.state.prefix else 0
        bad, evaluations = len(path), 0
        while bad - good > 1:
            middle = (good + bad) // 2
            prefix = path[middle - 1]
            new = tokens_of(prefix) not in self.values
            value = await self._value(prefix)
            evaluations += new
            if value is None:
                return Search(candidate.leaf, None, evaluations)
            good, bad = (middle, bad) if value > 0 else (good, middle)
        return Search(candidate.leaf, bad - 1, evaluations)

    async def _value(self, prefix: Step) -> float | None:
        """The value of a prefix; a new one becomes a state, and its wrong rollouts enter the pool."""
        key = tokens_of(prefix)
        if key not in self.values:
            estimate = await self.rollouts.after(prefix, self.settings.rollouts)
            if estimate is None or estimate.value is None:
                self.spent = estimate is None
                return None
            self.values[key] = (estimate.value, len(estimate.judged))
            ends = zip(estimate.leaves, estimate.outcomes, strict=True)
            wrong = [(leaf, new_tokens(leaf, prefix)) for leaf, o in ends if o is not None and o < 1]
            self.pool.add(State(prefix, estimate.value), wrong)
        return self.values[key][0]


async def omega(
    group: Group, rollouts: Rollouts, settings: OmegaSettings | None = None
) -> tuple[list[Labelled], list[Search]]:
    """Labels of every searched rollout and of the group's other trajectories, and the searches in their order.

    A label stands at each prefix that was evaluated, and at the last step (the outcome).
    """
    settings = settings or OmegaSettings()
    work = Omega(rollouts, settings, Pool(settings))
    searches = await work.run(group)
    if not searches:
        return [], []
    seen = {id(search.leaf) for search in searches}
    others = [(t.leaf, outcome, None) for t, outcome in group.judged if id(t.leaf) not in seen]
    ends = [*((s.leaf, 0.0, s.first_error) for s in searches), *others]
    return [_labelled(group, work.values, *end) for end in ends], searches


def _labelled(
    group: Group, values: dict[Prefix, tuple[float, int]], leaf: Step, outcome: float, error: int | None
) -> Labelled:
    path = leaf.path
    found = [(k, values.get(tokens_of(step))) for k, step in enumerate(path[:-1])]
    labels = [StepLabel(k, *known) for k, known in found if known is not None]
    trajectory = Trajectory(group.problem.question, leaf)
    labels.append(StepLabel(len(path) - 1, outcome, 1))
    return Labelled(trajectory, tuple(labels), outcome=outcome, first_error=error)
