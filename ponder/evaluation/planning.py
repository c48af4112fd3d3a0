"""Fit the planner's table: which strategy for which kind of problem at each budget, on problems with known answers.

For each budget the candidates are one strategy for all problems, or bins by what a few samples show (agreement,
verifier score, length, or two of them) with a strategy for each bin. What is maximised is accuracy less `PRICE` for a
whole budget, so that a bin stops early where going on buys nothing.

Samples that look good are often lucky. So looking and every strategy are replayed on the same orders of a problem's
samples, and compared order by order: a strategy that goes on from unlucky samples is not credited with its luck in
other orders. And looking changes what can be bought afterwards: several samples at once take shorter shares of a small
budget than one after the other. So each strategy is replayed twice, by itself and as what follows looking.

Noise is what such a fit finds first, and three rules hold it back. A bin departs from the best single strategy only
where the paired difference in it exceeds its standard error. Bins are used at all only where they gain more than
`ERRORS` standard errors on problems that did not choose them. And all of it is fitted on each half of the problems, and
what the plan is worth (`crossed`) is told by the other half (Snell et al., arXiv 2408.03314: two folds).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from ponder.evaluation.pools.drawing import replayable
from ponder.evaluation.pools.pool import Pool, PoolEntry
from ponder.evaluation.pools.replay import PoolJudge, PoolPropose
from ponder.evaluation.pools.runs import Runs
from ponder.evaluation.verifier_gain import halves
from ponder.search.planner.planner import Planning
from ponder.search.planner.table import FEATURES, STOP, Plan, Row, difficulty, mark
from ponder.search.session.budget import Budget
from ponder.search.session.choose import Candidate
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question

PRICE = 0.01  # accuracy that a whole budget is worth
ERRORS = 2.0  # standard errors that bins must gain; many ways to cut are tried, and one of them is always lucky
QUANTILES = ((1 / 2,), (1 / 3, 2 / 3))  # where one feature is cut; two features are each cut in the middle

Floats = npt.NDArray[np.float64]
Cuts = tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True)
class Looked:
    """What the first samples of each problem showed, in several orders; `O` is the axis of orders.

    `features_PO` by name; `after_PO` is what each strategy is worth that goes on from them, and `STOP` without more.
    """

    features_PO: Mapping[str, Floats]
    after_PO: Mapping[str, Floats]


@dataclass(frozen=True)
class Table:
    """What is known at one budget: the worth of each strategy for each problem, and what looking shows.

    `scored` is None without a verifier.
    """

    budget: float
    ids: tuple[str, ...]
    worth_PO: Mapping[str, Floats]
    plain: Looked
    scored: Looked | None

    def among(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """The problems where `chosen` is true."""
        return Table(
            self.budget,
            tuple(id for id, keep in zip(self.ids, chosen, strict=True) if keep),
            {name: worth[chosen] for name, worth in self.worth_PO.items()},
            _some(self.plain, chosen),
            None if self.scored is None else _some(self.scored, chosen),
        )


async def tabulate(
    pool: Pool, runs: Sequence[Runs], *, max_tokens: int, probes: int, orders: int = 4, seed: int = 0
) -> Table:
    """The table of one budget from runs of every strategy at it, and from looking at the pool's samples in that order.

    Problems that a strategy was not run on are left out.
    """
    budget = runs[0].budget
    held = set.intersection(*({p.id for p in some.problems} for some in runs))
    entries = [entry for entry in pool.entries if entry.problem.id in held]
    if not entries:
        raise PonderError(f"no problem was run by every strategy at budget {budget:g}; nothing can be fitted")
    ids = tuple(entry.problem.id for entry in entries)
    worth_PO = {some.strategy: _by_order(some, ids, orders) for some in runs}
    looks = [
        await _look(pool, entries, worth_PO, budget, max_tokens, probes, orders, seed, scored)
        for scored in (False, True)
    ]
    plain, scored = looks
    if plain is None:
        raise PonderError("a plan needs samples to look at")
    return Table(budget, ids, worth_PO, plain, scored)


def _by_order(runs: Runs, ids: Sequence[str], orders: int) -> Floats:
    """The worth of each run; the mean where a problem was not run once an order (live, or not gradable)."""
    by_id = {p.id: p for p in runs.problems}
    rows = []
    for problem in (by_id[id] for id in ids):
        pairs = zip(problem.outcomes, problem.usages, strict=False)
        row = [y - PRICE * usage.spent / runs.budget for y, usage in pairs]
        rows.append(row if len(row) == orders else [sum(row) / len(row)] * orders)
    return np.array(rows)


async def _look(
    pool: Pool,
    entries: Sequence[PoolEntry],
    worth_PO: Mapping[str, Floats],
    budget: float,
    max_tokens: int,
    probes: int,
    orders: int,
    seed: int,
    scored: bool,
) -> Looked | None:
    """Draw, perhaps score, and go on by each strategy, or not at all: by plans that do just that.

    A strategy that no pool can replay is taken to be worth after looking what it is worth without.
    """
    if scored and entries[0].live.judge is None:
        return None
    plans = {}
    for spec in (STOP, *filter(replayable, worth_PO)):
        row = Row(budget, "vote", (("score" if scored else "agreement", ()),), (spec,))
        plans[spec] = Plan(max_tokens, probes, (row,))

    async def one(entry: PoolEntry, order: int, plan: Plan) -> tuple[list[float], float]:
        propose = PoolPropose(entry, pool, derive_seed("order", seed, order))
        judge = None if entry.live.judge is None else PoolJudge(entry)
        result = await Planning(max_tokens, table=plan)(
            entry.problem.question, propose, judge, Budget(budget), seed=order
        )
        scores = result.scores or (None,) * len(result.trajectories)
        pairs = zip(result.trajectories, scores, strict=True)
        seen = [Candidate(t, propose.answer(t), s) for t, s in pairs]
        known = difficulty(seen, probes, result.usage.kept + result.usage.discarded, max_tokens)
        values = [getattr(known, name) for name in FEATURES]
        worth = (propose.outcome(result.trajectory) or 0.0) - PRICE * result.usage.spent / budget
        return [np.nan if v is None else v for v in values], worth

    runs = [(entry, order) for entry in entries for order in range(orders)]
    found = {spec: await asyncio.gather(*(one(*run, plan) for run in runs)) for spec, plan in plans.items()}
    values = np.array([known for known, _ in found[STOP]], dtype=float).reshape(len(entries), orders, len(FEATURES))
    names = [name for name in FEATURES if scored or name != "score"]
    features = {name: values[:, :, FEATURES.index(name)] for name in names}
    after = {spec: np.array([worth for _, worth in some]).reshape(len(entries), orders) for spec, some in found.items()}
    return Looked(features, {**worth_PO, **after})


def fit(
    tables: Sequence[Table],
    runs: Runs,
    questions: Mapping[str, Question],
    *,
    max_tokens: int,
    probes: int,
    seed: int = 0,
    made: Mapping[str, Any],
) -> Plan:
    """The plan of all `tables`, one a budget.

    `runs` name the problems and their families, by which they are halved; `questions` are theirs by id. `made` goes
    into the plan with what it is worth on problems that did not choose it.
    """
    first, second = halves(runs, seed)
    sides = [[t.among(np.array([(id in first) == (side == 0) for id in t.ids])) for t in tables] for side in (0, 1)]
    fitted = [[fit_row(table) for table in side] for side in sides]
    crossed = [
        {
            "budget": table.budget,
            "planned": _mean([worth(sides[1 - s][b], fitted[s][b]) for s in (0, 1)]),
            "fixed": _mean([worth(sides[1 - s][b], Row(table.budget, fitted[s][b].fixed)) for s in (0, 1)]),
        }
        for b, table in enumerate(tables)
    ]
    return Plan(
        max_tokens,
        probes,
        tuple(fit_row(table) for table in tables),
        (tuple(fitted[0]), tuple(fitted[1])),
        {mark(questions[id]): half for half, ids in enumerate((first, second)) for id in sorted(ids)},
        {**made, "crossed": crossed},
    )


def fit_row(table: Table) -> Row:
    """The row of one budget: bins if they gain on problems that did not choose them, else one strategy."""
    fixed = _fixed(table)
    best, best_gain = Row(table.budget, fixed), 0.0
    even = np.arange(len(table.ids)) % 2 == 0
    for cuts in _structures(table):
        gains_P = np.concatenate([_gain(table.among(side), table.among(~side), cuts) for side in (even, ~even)])
        gain, error = float(gains_P.mean()), _standard_error(gains_P)
        if gain > max(best_gain, ERRORS * error):
            best, best_gain = _row(table, fixed, cuts), gain
    # Looking that never changes the choice is left out.
    return best if set(best.choices) - {fixed} else Row(table.budget, fixed)


def worth(table: Table, row: Row) -> Floats:
    """What the row is worth for each problem: accuracy less the price of what it spends, expected over orders."""
    if not row.looks:
        fixed_P: Floats = table.worth_PO[row.fixed].mean(axis=1)
        return fixed_P
    looked = _looked(table, row.cuts)
    bins_PO = _bins(looked, row.cuts)
    worth_PO = np.empty(bins_PO.shape)
    for b, spec in enumerate(row.choices):
        worth_PO = np.where(bins_PO == b, looked.after_PO[spec], worth_PO)
    worth_P: Floats = np.where(bins_PO < 0, looked.after_PO[row.fixed], worth_PO).mean(axis=1)
    return worth_P


def _structures(table: Table) -> list[Cuts]:
    """All ways to cut by one feature, and by two of them."""
    looked = table.scored or table.plain
    found: list[Cuts] = [
        ((name, edges),)
        for name, values in looked.features_PO.items()
        for quantiles in QUANTILES
        if (edges := _edges(values, quantiles))
    ]
    for one, two in combinations(looked.features_PO, 2):
        cuts = [(name, _edges(looked.features_PO[name], QUANTILES[0])) for name in (one, two)]
        if all(edges for _, edges in cuts):
            found.append(tuple(cuts))
    return found


def _edges(values_PO: Floats, quantiles: Sequence[float]) -> tuple[float, ...]:
    """Distinct quantiles above the smallest value: a value on an edge belongs to the bin above."""
    known = values_PO[np.isfinite(values_PO)]
    if not known.size:
        return ()
    return tuple(float(e) for e in np.unique(np.quantile(known, quantiles)) if e > known.min())


def _gain(choosing: Table, shown: Table, cuts: Cuts) -> Floats:
    """What bins chosen on `choosing` gain over its best single strategy, for each problem of `shown`."""
    if not choosing.ids or not shown.ids:
        return np.zeros(len(shown.ids))
    fixed = _fixed(choosing)
    return worth(shown, _row(choosing, fixed, cuts)) - worth(shown, Row(choosing.budget, fixed))


def _row(table: Table, fixed: str, cuts: Cuts) -> Row:
    looked = _looked(table, cuts)
    bins_PO = _bins(looked, cuts)
    count = int(np.prod([len(edges) + 1 for _, edges in cuts]))
    choices = tuple(_choice(looked, fixed, bins_PO == b) for b in range(count))
    return Row(table.budget, fixed, cuts, choices)


def _choice(looked: Looked, fixed: str, inside_PO: npt.NDArray[np.bool_]) -> str:
    """The best strategy in a bin, if it beats the best single one there by more than a standard error."""
    weights_P = inside_PO.sum(axis=1).astype(float)
    if not weights_P.any():
        return fixed
    base_PO = looked.after_PO[fixed]
    best, best_gain = fixed, 0.0
    for spec, worth_PO in looked.after_PO.items():
        difference_PO = np.where(inside_PO, worth_PO - base_PO, 0.0)
        gain = float(difference_PO.sum() / weights_P.sum())
        error = float(np.sqrt(((difference_PO.sum(axis=1) - weights_P * gain) ** 2).sum()) / weights_P.sum())
        if gain > max(best_gain, error):
            best, best_gain = spec, gain
    return best


def _looked(table: Table, cuts: Cuts) -> Looked:
    """Looking with scores only where the cuts ask for them: scores are not free."""
    if not any(name == "score" for name, _ in cuts):
        return table.plain
    if table.scored is None:
        raise PonderError("a plan by scores needs a verifier")
    return table.scored


def _bins(looked: Looked, cuts: Cuts) -> npt.NDArray[np.int64]:
    """The bin of each problem and order, as `Row.bin` counts them; -1 where a feature is not known."""
    at = np.zeros(looked.after_PO[STOP].shape, dtype=np.int64)
    known = np.ones(looked.after_PO[STOP].shape, dtype=bool)
    for name, edges in cuts:
        values = looked.features_PO[name]
        known &= np.isfinite(values)
        at = at * (len(edges) + 1) + np.searchsorted(np.asarray(edges), values, side="right")
    return np.where(known, at, -1)


def _fixed(table: Table) -> str:
    return max(table.worth_PO, key=lambda name: float(table.worth_PO[name].mean()))


def _some(looked: Looked, chosen: npt.NDArray[np.bool_]) -> Looked:
    features, after = ({name: v[chosen] for name, v in some.items()} for some in (looked.features_PO, looked.after_PO))
    return Looked(features, after)


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")


def _mean(parts: Sequence[Floats]) -> float:
    return float(np.concatenate(list(parts)).mean())
