"""Service times and load of runs that were made: the simulation then speaks of that machine and those answers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from ponder.distributed.capacity.hardware import DISPATCH
from ponder.distributed.capacity.pipeline import Load, Service
from ponder.rollout import store
from ponder.runlog import read_metrics
from ponder.runlog.folder import read_config
from ponder.types import PonderError

_NOTHING = 1e-9  # seconds: a fit of relative errors needs more than none


@dataclass(frozen=True)
class Account:
    """What a run of one engine says of itself, in tokens and seconds.

    `updates` are of each update the tokens of all answers, of the longest, and of those that were learned from;
    `groups` of each group its tokens, answers, and right answers. `sampling`, `learning` and `measuring` are the
    seconds of the engine, the learner, and what is no part of training; `seconds` those of the whole run, if it says
    so.
    `dead` is whether groups of equal outcomes were left out.
    """

    updates: tuple[tuple[float, float, float], ...]
    lengths: tuple[int, ...]
    groups: tuple[tuple[int, int, int], ...]
    dead: bool
    group: int
    longest: int
    round: int
    staleness: int
    sampling: float
    learning: float
    measuring: float
    seconds: float | None

    @property
    def answers(self) -> float:
        """Of an update."""
        return len(self.lengths) / len(self.updates)

    @property
    def between(self) -> float | None:
        """Seconds that were neither sampling nor learning nor measuring; None if the run does not say what it took."""
        if self.seconds is None:
            return None
        return max(_NOTHING, self.seconds - self.sampling - self.learning - self.measuring)

    def total(self, column: int) -> float:
        return float(sum(update[column] for update in self.updates))

    def learned(self, group: int) -> float:
        """The share of tokens that would be learned from in groups of so many answers, at most as many as there were.

        A group of n answers of which k are right holds a group of g of which all or none are with probability
        (C(k, g) + C(n - k, g)) / C(n, g).
        """
        if not self.dead:
            return 1.0
        live = 0.0
        for tokens, n, right in self.groups:
            g = min(group, n)
            live += tokens * (1.0 - (comb(right, g) + comb(n - right, g)) / comb(n, g))
        return live / sum(tokens for tokens, _, _ in self.groups)


def account(run: Path) -> Account:
    """Read a run's folder. PonderError for one without a finished round, or whose engine does not count its time."""
    config = read_config(run)
    rows = [row for row in read_metrics(run) if row.get("round", -1) >= 0]
    files = sorted((run / "trajectories").glob("*.parquet"))
    if not rows or not files:
        raise PonderError(f"{run}: no finished round to take times from; give a run folder, or --accelerator")
    found: dict[tuple[int, int, int], list[tuple[int, bool]]] = defaultdict(list)
    for number, file in enumerate(files):
        for row in store.read(file):
            found[number, row["update"], row["group"]].append((len(row["tokens"]), row["outcome"] == 1.0))
    dead = any(row.get("dead_groups") for row in rows)
    updates: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0, 0, 0])
    for (number, update, _), answers in found.items():
        sums, tokens = updates[number, update], sum(length for length, _ in answers)
        sums[0] += tokens
        sums[1] = max(sums[1], *(length for length, _ in answers))
        sums[2] += tokens if not dead or len({right for _, right in answers}) > 1 else 0
    return Account(
        updates=tuple((a, b, c) for a, b, c in updates.values()),
        lengths=tuple(length for answers in found.values() for length, _ in answers),
        groups=tuple((sum(n for n, _ in some), len(some), sum(right for _, right in some)) for some in found.values()),
        dead=dead,
        group=int(config["sampling"]["group_size"]),
        longest=int(config["sampling"]["max_tokens"]),
        round=int(config["updates"]),
        staleness=int(config.get("staleness", {}).get("updates", 0)),
        sampling=_seconds(rows, "rollout"),
        learning=_seconds(rows, "update"),
        measuring=_seconds(rows, "measuring", 0.0),
        seconds=rows[-1].get("seconds"),
    )


def of_run(run: Path) -> tuple[Service, Load]:
    """Times by the run's own accounts. PonderError for a folder without a finished round.

    The engine's time is divided by the tokens that it drew, so it holds for batches of about that size; `of_runs`
    tells the parts apart that grow with a batch and those that do not.
    """
    return of_runs([run])


def of_runs(runs: Sequence[Path]) -> tuple[Service, Load]:
    """Times by the accounts of runs with one engine and batches of different sizes; the load is that of the last.

    With all answers of an update under way at once the engine takes `step` for each token of the longest and
    `step_row` for every token; the learner `learn` an update and `learn_token` a token. What the run took besides
    sampling, learning and measuring lies between them and is the driver's: so much an update, which stands with
    `learn` since no learning goes on meanwhile, and `dispatch` an answer. All pairs are fitted by least squares,
    without negative ones. Where no run says how long it took, or all sampled ahead, `dispatch` is `hardware.DISPATCH`.
    """
    known = [account(run) for run in runs]
    step, step_row = _fitted([(a.total(1), a.total(0), a.sampling) for a in known])
    learn, learn_token = _fitted([(float(len(a.updates)), a.total(2), a.learning) for a in known])
    between = [(a, rest) for a in known if not a.staleness and (rest := a.between) is not None]
    fixed, dispatch = 0.0, DISPATCH
    if between:
        fixed, dispatch = _fitted([(float(len(a.updates)), float(len(a.lengths)), rest) for a, rest in between])
    rows = max(math.ceil(a.answers) for a in known)
    measure = fmean(a.measuring / len(a.updates) for a in known)
    service = Service(step, step_row, rows, 0.0, dispatch, 0.0, learn + fixed, learn_token, measure=measure)
    return service, load_of(known[-1])


def load_of(known: Account) -> Load:
    """The load of a run, with the lengths of its answers."""
    tokens = known.total(0)
    return Load(
        problems=max(1, round(known.answers / known.group)),
        group=known.group,
        prompt=0.0,
        mean=tokens / len(known.lengths),
        spread=pstdev(known.lengths) / fmean(known.lengths),
        longest=known.longest,
        lengths=known.lengths,
        learned=known.learned(known.group),
    )


def _fitted(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """x, y >= 0 with a x + b y = c for each row (a, b, c), by least squares of relative errors; of one row x = 0."""
    matrix = np.array([(a / c, b / c) for a, b, c in rows])
    if len(rows) > 1:  # of equal rows it is the least solution, which is one
        x, y = np.linalg.lstsq(matrix, np.ones(len(rows)), rcond=None)[0]
        if x >= 0 and y >= 0:
            return float(x), float(y)
        if y < 0:
            return float(matrix[:, 0].sum() / (matrix[:, 0] ** 2).sum()), 0.0
    return 0.0, float(matrix[:, 1].sum() / (matrix[:, 1] ** 2).sum())


def _seconds(rows: Sequence[dict[str, Any]], purpose: str, absent: float | None = None) -> float:
    found = [row.get("work", {}).get(purpose, {}).get("seconds", absent) for row in rows]
    if not found or any(one is None for one in found):
        raise PonderError(f"this run did not measure the time of its {purpose}; take one of the local engine")
    return float(sum(found))
