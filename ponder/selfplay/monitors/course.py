"""The course of a run over several rounds: a decline too slow for any single round to show, and the best round so far.

    recent   the mean of the last K rounds, for each validation problem
    best     the same of those K rounds in a row that have the highest mean so far
    decline  mean(best) - mean(recent) above `sag` and above `STANDARD_ERRORS` of that difference

The same validation problems are answered after every round, so the difference is paired: its error is that of the
problems' own differences, family by family. The best is the highest of many noisy means, which is why four standard
errors are asked for: 60 rounds that stand still, with two answers to each of 96 problems, then raise an alarm in one
run of twenty, and a fall by ten points over twenty rounds is found (`tests/selfplay/test_course.py`).

Degenerate: before 2 K rounds nothing is said. A stage of a run begins a course of its own, since it may be paid for
something else, and so does a ladder of other problems.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STANDARD_ERRORS = 4.0
Ladder = Mapping[str, Sequence[float]]  # the solve rate of each problem, by family
_Rates = dict[str, list[float]]


@dataclass(frozen=True)
class Best:
    """The best `rates` so far: the mean accuracy of the last rounds as of `round`, counted from 0."""

    round: int
    accuracy: float
    rates: _Rates


@dataclass(frozen=True)
class Decline:
    """How far the last rounds lie below the best ones: both means, and what noise allows (or the setting, if more)."""

    recent: float
    best: float
    allowed: float
    round: int

    @property
    def is_real(self) -> bool:
        return self.best - self.recent > self.allowed


@dataclass
class Course:
    """`rounds` make a mean; 0 remembers the best round alone. `recent` holds the ladders of the last ones."""

    rounds: int
    sag: float
    stage: int = 0
    seen: int = 0
    recent: list[_Rates] = field(default_factory=list)
    best: Best | None = None

    def look(self, ladder: Ladder, stage: int = 0) -> Decline | None:
        """How the last rounds, with this one, stand to the best; nothing is remembered. None: too early to tell."""
        if not self._goes_on(ladder, stage):
            return None
        return self._compared([*self.recent, _plain(ladder)][-self.rounds :], self.seen + 1)

    @property
    def declined(self) -> Decline | None:
        """The decline in which the rounds that were kept end; None: they do not end in one."""
        found = self._compared(self.recent, self.seen)
        return found if found is not None and found.is_real else None

    def _compared(self, recent: Sequence[_Rates], seen: int) -> Decline | None:
        if not self.rounds or self.best is None or len(recent) < self.rounds or seen < 2 * self.rounds:
            return None
        last = _mean(recent)
        error = _error(self.best.rates, last)
        if error is None:
            return None
        allowed = max(self.sag, STANDARD_ERRORS * error)
        return Decline(_accuracy(last), self.best.accuracy, allowed, self.best.round)

    def keep(self, number: int, ladder: Ladder, stage: int = 0) -> bool:
        """Remember a round; whether it ends the best rounds so far."""
        if not any(ladder.values()):
            return False
        if not self._goes_on(ladder, stage):
            self.stage, self.seen, self.recent, self.best = stage, 0, [], None
        self.seen += 1
        self.recent = [*self.recent, _plain(ladder)][-max(1, self.rounds) :]
        rates = _mean(self.recent)
        # Fewer rounds than make a mean are compared too, but the first full mean takes the place of theirs.
        first_full = self.seen == self.rounds
        is_best = self.best is None or first_full or _accuracy(rates) >= self.best.accuracy
        if is_best:
            self.best = Best(number, _accuracy(rates), rates)
        return is_best

    def begin_again(self) -> None:
        """The run went back to the best round: what came after it is no part of its course any more."""
        self.recent = []

    def _goes_on(self, ladder: Ladder, stage: int) -> bool:
        same = self.best is None or {f: len(r) for f, r in ladder.items()} == _sizes(self.best.rates)
        return stage == self.stage and same

    def state(self) -> dict[str, Any]:
        best = self.best and {"round": self.best.round, "accuracy": self.best.accuracy, "rates": self.best.rates}
        return {"stage": self.stage, "seen": self.seen, "recent": self.recent, "best": best}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.stage, self.seen, self.recent = state["stage"], state["seen"], list(state["recent"])
        self.best = None if state["best"] is None else Best(**state["best"])


def _plain(ladder: Ladder) -> _Rates:
    return {family: list(rates) for family, rates in ladder.items() if rates}


def _sizes(rates: _Rates) -> dict[str, int]:
    return {family: len(some) for family, some in rates.items()}


def _mean(ladders: Sequence[_Rates]) -> _Rates:
    """The mean over rounds, problem by problem."""
    return {
        family: [math.fsum(some) / len(some) for some in zip(*(ladder[family] for ladder in ladders), strict=True)]
        for family in ladders[0]
    }


def _accuracy(rates: _Rates) -> float:
    """The mean over families of the mean over problems."""
    return math.fsum(math.fsum(some) / len(some) for some in rates.values()) / len(rates)


def _error(one: _Rates, other: _Rates) -> float | None:
    """The standard error of the difference of accuracies, over the same problems; None with one problem a family."""
    if min(map(len, one.values())) < 2:
        return None
    spread = [
        statistics.variance([b - a for a, b in zip(one[family], other[family], strict=True)]) / len(one[family])
        for family in one
    ]
    return math.sqrt(math.fsum(spread)) / len(one)
