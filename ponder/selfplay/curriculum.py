"""Which problems come next: harder when solved, kept where the policy neither always solves nor never solves.

Each family has an open range of levels. A level's weight is p(1-p), the variance of one verdict at its running solve
rate p: the level where a group is most likely to hold both right and wrong answers, and so a gradient, is drawn most.
When the hardest open level is solved often enough the next one opens. Levels never close; a level that is solved
nearly always is simply drawn rarely.

Families take turns and each counts its own problems, so every problem of each family is drawn. A family with a last
problem (`protocols.Finite`: a file) is taken row by row, those that are answered both ways more often
(`rollout/rows.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ponder.protocols import Family, Finite, Levelled
from ponder.rollout.rows import Rows
from ponder.seeds import derive_seed
from ponder.types import Group, PonderError, Problem


class Curriculum:
    """A `ProblemSource` of families; `observe` feeds solve rates back. Everything it knows is in `state()`."""

    def __init__(
        self,
        families: Sequence[Family],
        *,
        seed: int,
        unlock: float = 0.75,
        memory: float = 0.8,
        floor: float = 0.05,
        most_levels: int = 3,
    ) -> None:
        """`memory` is the weight of the past in a running solve rate; `floor` the least weight of an open level."""
        self.families = {family.name: family for family in families}
        self.seed, self.unlock, self.memory, self.floor, self.most_levels = seed, unlock, memory, floor, most_levels
        self.rates: dict[str, dict[int, float | None]] = {f.name: {f.level: None} for f in families}
        self.drawn = {f.name: 0 for f in families}
        self.rows = {f.name: Rows(_all(f, seed), seed=seed, memory=memory, floor=floor) for f in families if _finite(f)}

    def next(self, count: int) -> list[Problem]:
        """`count` new training problems, families in turn; in each the indices from 0, none left out or twice."""
        turn = sum(self.drawn.values())
        rng = random.Random(derive_seed("curriculum", self.seed, turn))
        names = list(self.families)
        return [self._draw(names[(turn + i) % len(names)], rng) for i in range(count)]

    def observe(self, groups: Sequence[Group]) -> None:
        """Update running solve rates from judged groups, then open levels that have been earned."""
        seen: dict[tuple[str, int], list[float]] = {}
        for group in groups:
            if group.solve_rate is not None:
                seen.setdefault((group.problem.family, group.problem.level), []).append(group.solve_rate)
        for (name, level), rates in seen.items():
            now, before = sum(rates) / len(rates), self.rates[name].get(level)
            self.rates[name][level] = now if before is None else self.memory * before + (1 - self.memory) * now
        for name in self.rates:
            self._open_next(name)
        for rows in self.rows.values():
            rows.observe(groups)

    @property
    def levels(self) -> dict[str, int]:
        """The hardest open level of each family."""
        return {name: max(rates) for name, rates in self.rates.items()}

    def _open_next(self, name: str) -> None:
        family, top = self.families[name], max(self.rates[name])
        rate = self.rates[name][top]
        room = top - family.level < self.most_levels - 1
        if isinstance(family, Levelled) and room and rate is not None and rate >= self.unlock:
            self.rates[name][top + 1] = None

    def _draw(self, name: str, rng: random.Random) -> Problem:
        self.drawn[name] += 1
        if name in self.rows:
            return self.rows[name].next(rng)
        return self._family(name, rng).problem(self.drawn[name] - 1, split="train", seed=self.seed)

    def _family(self, name: str, rng: random.Random) -> Family:
        family, rates = self.families[name], self.rates[name]
        if not isinstance(family, Levelled):
            return family
        weights = [max(self.floor, 0.25 if p is None else p * (1 - p)) for p in rates.values()]
        return family.at_level(rng.choices(list(rates), weights=weights)[0])

    def state(self) -> dict[str, Any]:
        return {
            "drawn": dict(self.drawn),
            "rates": {n: {str(k): p for k, p in r.items()} for n, r in self.rates.items()},
            "rows": {name: rows.state() for name, rows in self.rows.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises PonderError for the state of a version that counted the problems of all families together."""
        if not isinstance(state["drawn"], dict):
            raise PonderError(
                "this checkpoint counts the problems of all families together, as an earlier version did, and cannot "
                "be continued exactly; start the run anew in another folder"
            )
        self.drawn = {name: int(count) for name, count in state["drawn"].items()}
        if set(state.get("rows", {})) != set(self.rows):
            raise PonderError(
                "this checkpoint does not know which rows of its files were answered, as an earlier version did not, "
                "and cannot be continued exactly; start the run anew in another folder"
            )
        for name, rows in self.rows.items():
            rows.load_state(state["rows"][name])
        self.rates = {n: {int(k): p for k, p in r.items()} for n, r in state["rates"].items()}


def _finite(family: Family) -> bool:
    return isinstance(family, Finite) and not isinstance(family, Levelled)


def _all(family: Family, seed: int) -> list[Problem]:
    """The training rows of a file; the family itself says what is wrong if there are none."""
    count = family.size("train") if isinstance(family, Finite) else 0
    return [family.problem(index, split="train", seed=seed) for index in range(max(1, count))]
