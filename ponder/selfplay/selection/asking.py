"""Problems from the source, less those that are retired, and with a length to aim at if that is asked for."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ponder.protocols import ProblemSource
from ponder.rewards.l1 import TARGET
from ponder.rollout.sources import take
from ponder.seeds import derive_seed
from ponder.types import Group, Key, Problem

_TRIES = 10


class Asking:
    """`retire` 0 retires nothing. Where ever more problems are retired, `again` counts those asked all the same."""

    def __init__(self, retire: float, targets: Sequence[int], seed: int) -> None:
        self.retire, self.targets, self.seed = retire, tuple(targets), seed
        self.retired: set[str] = set()
        self.again = 0

    async def take(self, source: ProblemSource, count: int) -> list[Problem]:
        """`count` problems, retired ones left out for as long as the source still has others."""
        found: list[Problem] = []
        for _ in range(_TRIES):
            asked = await take(source, count - len(found))
            found += [problem for problem in asked if problem.id not in self.retired]
            if len(found) == count or not self.retired:
                break
        else:
            rest = await take(source, count - len(found))
            self.again += len(rest)
            found += rest
        return [self._targeted(problem) for problem in found]

    def observe(self, groups: Sequence[Group]) -> None:
        """Retire what was solved often enough."""
        if self.retire:
            self.retired |= {g.problem.id for g in groups if g.solve_rate is not None and g.solve_rate >= self.retire}

    def metrics(self) -> dict[str, float]:
        return {"retired": float(len(self.retired)), "retired_again": float(self.again)} if self.retire else {}

    def state(self) -> dict[str, object]:
        return {"retired": sorted(self.retired), "again": self.again}

    def load_state(self, state: Mapping[str, object]) -> None:
        retired, again = state.get("retired", []), state.get("again", 0)
        assert isinstance(retired, list) and isinstance(again, int)
        self.retired, self.again = set(retired), again

    def _targeted(self, problem: Problem) -> Problem:
        """The problem with a number of tokens in its text and in its key (L1, arXiv 2503.04697, section 3)."""
        if not self.targets:
            return problem
        target = random.Random(derive_seed("length target", self.seed, problem.id)).choice(self.targets)
        question = replace(problem.question, text=f"{problem.question.text}\n\nThink for {target} tokens.")
        return Problem(question, Key(problem.key.answer, {**problem.key.data, TARGET: target}))
