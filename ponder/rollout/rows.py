"""The rows of a file in the order of what they teach: most from where the policy is sometimes right.

A group gives a gradient only if it holds right and wrong answers, and the chance of two answers to differ is
proportional to r (1 - r) at solve rate r. Rows fall into bands: by the `level` that they name, or where they name none
into thirds by the length of the problem. The next row is of a band drawn in proportion to the running mean of r (1 - r)
over its groups; a band that was not tried yet counts as the best there can be, 1/4, and none falls below `floor`.
Within a band rows come in a new order in every epoch, and a row that was answered all right or all wrong sits out the
next epoch, then the next three, then seven (`MOST`); answered both ways, it is back in every epoch. Files of fewer than
`FEWEST` rows without levels are one band.

Related: the success rates by which "Kimi k1.5" (arXiv 2501.12599, section 2.3) samples problems.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ponder.seeds import derive_seed
from ponder.types import Group, Problem

FEWEST = 30
MOST = 3  # after so many groups in a row without a gradient the pause grows no more


class Rows:
    """Training rows of one family; what it knows is in `state()`, and the same seed and results give the same rows."""

    def __init__(self, problems: Sequence[Problem], *, seed: int, memory: float, floor: float) -> None:
        """`memory` is the weight of the past in a band's running mean, `floor` the least weight of a band."""
        self.seed, self.memory, self.floor = seed, memory, floor
        self.bands = _bands(problems)
        self._band_of = {p.id: name for name, some in self.bands.items() for p in some}
        self.signals: dict[str, float | None] = dict.fromkeys(self.bands)
        self.taken = dict.fromkeys(self.bands, 0)
        self._orders: dict[str, tuple[int, list[int]]] = {}
        self.streaks: dict[str, int] = {}  # groups without a gradient in a row, of rows whose last group was one
        self.until: dict[str, int] = {}  # the first epoch of its band in which such a row is taken again

    def next(self, rng: random.Random) -> Problem:
        """The next row; `rng` chooses the band."""
        names = list(self.bands)
        weights = [max(self.floor, 0.25 if s is None else s) for s in self.signals.values()]
        return self._take(rng.choices(names, weights=weights)[0])

    def observe(self, groups: Sequence[Group]) -> None:
        """Hear the judged groups of an update; rows of other families are passed over."""
        seen: dict[str, list[float]] = {}
        for group in groups:
            band, rate = self._band_of.get(group.problem.id), group.solve_rate
            if band is None or rate is None:
                continue
            seen.setdefault(band, []).append(rate * (1 - rate))
            self._rest(group.problem.id, band, mixed=0 < rate < 1)
        for band, some in seen.items():
            now, before = sum(some) / len(some), self.signals[band]
            self.signals[band] = now if before is None else self.memory * before + (1 - self.memory) * now

    def _rest(self, row: str, band: str, *, mixed: bool) -> None:
        if mixed:
            self.streaks.pop(row, None), self.until.pop(row, None)
            return
        self.streaks[row] = min(MOST, self.streaks.get(row, 0) + 1)
        epoch = max(0, self.taken[band] - 1) // len(self.bands[band])
        self.until[row] = epoch + 2 ** self.streaks[row]

    def _take(self, band: str) -> Problem:
        rows = self.bands[band]
        problem = rows[0]
        for _ in range(len(rows) * 2**MOST):  # by then every pause is over
            epoch, place = divmod(self.taken[band], len(rows))
            self.taken[band] += 1
            problem = rows[self._order(band, epoch)[place]]
            if self.until.get(problem.id, 0) <= epoch:
                break
        return problem

    def _order(self, band: str, epoch: int) -> list[int]:
        known = self._orders.get(band)
        if known is None or known[0] != epoch:
            order = list(range(len(self.bands[band])))
            random.Random(derive_seed("rows", self.seed, band, epoch)).shuffle(order)
            self._orders[band] = known = epoch, order
        return known[1]

    def state(self) -> dict[str, Any]:
        return {
            "signals": dict(self.signals),
            "taken": dict(self.taken),
            "streaks": dict(self.streaks),
            "until": dict(self.until),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.signals, self.taken = dict(state["signals"]), dict(state["taken"])
        self.streaks, self.until = dict(state["streaks"]), dict(state["until"])


def _bands(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """Rows by level; without levels thirds by length, the shortest first."""
    levels = sorted({problem.level for problem in problems})
    if len(levels) > 1:
        return {f"level {level}": [p for p in problems if p.level == level] for level in levels}
    if len(problems) < FEWEST:
        return {"all": list(problems)}
    by_length = sorted(problems, key=lambda p: (len(p.question.text), p.id))
    n = len(by_length)
    parts = (by_length[: n // 3], by_length[n // 3 : 2 * n // 3], by_length[2 * n // 3 :])
    return dict(zip(("short", "middle", "long"), parts, strict=True))
