"""Which problems come next: harder when solved, kept where the policy neither always solves nor never solves.

Each family has an open range of levels. A level's weight is the running mean of r(1-r) over its groups, r being the
solve rate of a group: the chance of two of its answers to differ, and so to give a gradient. The solve rate p of the
whole level would not do: a level of which half is always solved and half never has the largest p(1-p) there is and
not one group to learn from. When the hardest open level is solved often enough the next one opens. Levels never close;
a level that is solved nearly always is simply drawn rarely.

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
        """`memory` is the weight of the past in a running mean; `floor` the least weight of an open level."""
        self.families = {family.name: family for family in families}
        self.seed, self.unlock, self.memory, self.floor, self.most_levels = seed, unlock, memory, floor, most_levels
        self.rates: dict[str, dict[int, float | None]] = {f.name: {f.level: None} for f in families}
        self.signals: dict[str, dict[int, float]] = {f.name: {} for f in families}  # levels that were not tried: none
        self.drawn = {f.name: 0 for f in families}
        self.rows = {f.name: Rows(_all(f, seed), seed=seed, memory=memory, floor=floor) for f in families if _finite(f)}

    def next(self, count: int) -> list[Problem]:
        """`count` new training problems, families in turn; in each the indices from 0, none left out or twice."""
        turn = sum(self.drawn.values())
        rng = random.Random(derive_seed("curriculum", self.seed, turn))
        names = list(self.families)
        return [self._draw(names[(turn + i) % len(names)], rng) for i in range(count)]

    def observe(self, groups: Sequence[Group]) -> None:
        """Update running solve rates and signals from judged groups, then open levels that have been earned."""
        seen: dict[tuple[str, int], list[float]] = {}
        for group in groups:
            if group.solve_rate is not None:
                seen.setdefault((group.problem.family, group.problem.level), []).append(group.solve_rate)
        for (name, level), rates in seen.items():
            self.rates[name][level] = self._running(self.rates[name].get(level), rates)
            self.signals[name][level] = self._running(self.signals[name].get(level), [r * (1 - r) for r in rates])
        for name in self.rates:
            self._open_next(name)
        for rows in self.rows.values():
            rows.observe(groups)

    def _running(self, before: float | None, some: list[float]) -> float:
        now = sum(some) / len(some)
        return now if before is None else self.memory * before + (1 - self.memory) * now

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
        family, levels = self.families[name], list(self.rates[name])
        if not isinstance(family, Levelled):
            return family
        weights = [max(self.floor, self.signals[name].get(level, 0.25)) for level in levels]
        return family.at_level(rng.choices(levels, weights=weights)[0])

    def state(self) -> dict[str, Any]:
        return {
            "drawn": dict(self.drawn),
            "rates": {n: {str(k): p for k, p in r.items()} for n, r in self.rates.items()},
            "signals": {n: {str(k): s for k, s in levels.items()} for n, levels in self.signals.items()},
            "rows": {name: rows.state() for name, rows in self.rows.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises PonderError for the state of a version that counted the problems of all families together."""
        if not isinstance(state["drawn"], dict):
            raise PonderError(
                "this checkpoint counts the problems of all families together, as an earlier version did, and cannot "
                "be continued exactly; start the run anew in another folder"
            )
        if "signals" not in state:
            raise PonderError(
                "this checkpoint does not know how often the groups of a level were mixed, as an earlier version did "
                "not, and cannot be continued exactly; start the run anew in another folder"
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
        self.signals = {n: {int(k): s for k, s in levels.items()} for n, levels in state["signals"].items()}


def _finite(family: Family) -> bool:
    return isinstance(family, Finite) and not isinstance(family, Levelled)


def _all(family: Family, seed: int) -> list[Problem]:
    """The training rows of a file; the family itself says what is wrong if there are none."""
    count = family.size("train") if isinstance(family, Finite) else 0
    return [family.problem(index, split="train", seed=seed) for index in range(max(1, count))]
