"""Where training problems come from (`protocols.ProblemSource`): asking a source, and the source that is a fixed list.

Other sources are the curriculum (`selfplay/curriculum.py`) and whatever a user writes: a model that proposes problems
awaits the engine in its `next`.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Sequence
from typing import Any

from ponder.protocols import ProblemSource
from ponder.seeds import derive_seed
from ponder.types import Group, PonderError, Problem


async def take(source: ProblemSource, count: int) -> list[Problem]:
    """`count` problems of `source`, whose `next` may be plain code or a coroutine."""
    said = source.next(count)
    problems = await said if inspect.isawaitable(said) else said
    if len(problems) != count:
        raise PonderError(
            f"the problem source {type(source).__name__} gave {len(problems)} problems instead of {count}; "
            "a source must not run dry"
        )
    return problems


class FixedProblems:
    """A list of problems, over and over: families take turns, each comes in a new order in every epoch.

    A family that has been gone through begins anew while others are still in an earlier epoch. Results change nothing.
    """

    def __init__(self, problems: Sequence[Problem], *, seed: int) -> None:
        if not problems:
            raise PonderError("a list of no problems cannot be trained on; name a file with rows of the train split")
        self.seed = seed
        self.families: dict[str, list[Problem]] = {}
        for problem in problems:
            self.families.setdefault(problem.family, []).append(problem)
        self.drawn = dict.fromkeys(self.families, 0)
        self._orders: dict[str, tuple[int, list[int]]] = {}

    def next(self, count: int) -> list[Problem]:
        """`count` problems; within an epoch of its family none comes twice."""
        names, turn = list(self.families), sum(self.drawn.values())
        return [self._draw(names[(turn + i) % len(names)]) for i in range(count)]

    def observe(self, groups: Sequence[Group]) -> None:
        """Nothing depends on results."""

    @property
    def levels(self) -> dict[str, int]:
        """The highest level of each family."""
        return {name: max(problem.level for problem in some) for name, some in self.families.items()}

    def state(self) -> dict[str, Any]:
        return {"drawn": dict(self.drawn)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises PonderError if the state is of other families."""
        if list(state["drawn"]) != list(self.families):
            raise PonderError(
                f"the saved problem source has the families {', '.join(state['drawn'])} and this one has "
                f"{', '.join(self.families)}; go on with the problems that the run began with"
            )
        self.drawn = {name: int(count) for name, count in state["drawn"].items()}

    def _draw(self, name: str) -> Problem:
        problems = self.families[name]
        epoch, place = divmod(self.drawn[name], len(problems))
        self.drawn[name] += 1
        return problems[self._order(name, epoch)[place]]

    def _order(self, name: str, epoch: int) -> list[int]:
        known = self._orders.get(name)
        if known is None or known[0] != epoch:
            order = list(range(len(self.families[name])))
            random.Random(derive_seed("epoch", self.seed, name, epoch)).shuffle(order)
            self._orders[name] = known = epoch, order
        return known[1]
