"""Fitting a plan where the best choice is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ponder.evaluation.planning import Looked, Table, fit, fit_row, tabulate, worth
from ponder.evaluation.pools.drawing import draw_pool, replayable
from ponder.evaluation.pools.runs import ProblemRuns, Runs, replay
from ponder.search.planner.table import STOP, Plan, Row
from ponder.search.registry import make
from ponder.types import Question, Usage
from tests.evaluation.toy import ToyJudge, ToyPropose, live, problem

N, ORDERS = 40, 2


def table(worths: dict[str, Sequence[float]], agreement: Sequence[float], stop: float = 0.0) -> Table:
    """One value a problem, the same in both orders."""

    def wide(values: Sequence[float]) -> np.ndarray:
        return np.repeat(np.asarray(values, dtype=float)[:, None], ORDERS, axis=1)

    known = {name: wide(values) for name, values in worths.items()}
    looked = Looked({"agreement": wide(agreement)}, {**known, STOP: np.full((N, ORDERS), stop)})
    return Table(400, tuple(f"p{i}" for i in range(N)), known, looked, None)


EASY = [1.0 if i % 4 < 2 else 0.25 for i in range(N)]  # agreement of easy and of hard problems


def test_bins_are_found_where_two_strategies_are_good_at_different_problems() -> None:
    made = table({"vote": EASY, "best_of_n": [1.25 - a for a in EASY]}, EASY)
    row = fit_row(made)
    assert [name for name, _ in row.cuts] == ["agreement"]
    assert [row.choices[0], row.choices[-1]] == ["best_of_n", "vote"]
    assert worth(made, row).tolist() == [1.0] * N


def test_one_strategy_that_is_best_everywhere_needs_no_look() -> None:
    row = fit_row(table({"vote": [0.5] * N, "best_of_n": [0.9] * N}, EASY))
    assert row == Row(400, "best_of_n")


def test_noise_makes_no_bins() -> None:
    rng = np.random.default_rng(0)
    looked_at = 0
    for _ in range(20):
        noise = {name: (rng.random(N) < 0.5).astype(float).tolist() for name in ("vote", "best_of_n")}
        looked_at += fit_row(table(noise, rng.random(N).tolist())).looks
    assert looked_at <= 8  # the error bars let some through; without them nearly all would look


def test_stopping_is_chosen_where_going_on_buys_nothing() -> None:
    row = fit_row(table({"vote": [0.98 if a == 1 else 0.9 for a in EASY]}, EASY, stop=0.95))
    assert not row.looks or STOP in row.choices
    sure = fit_row(table({"vote": [0.90 if a == 1 else 0.99 for a in EASY]}, EASY, stop=0.95))
    assert sure.choices[-1] == STOP
    assert sure.choices[0] == "vote"


def test_no_half_chooses_for_itself() -> None:
    made = table({"vote": EASY, "best_of_n": [1.25 - a for a in EASY]}, EASY)
    usage = Usage(kept=100)
    runs = Runs("vote", 400, tuple(ProblemRuns(id, "toy", (1.0,), (usage,)) for id in made.ids))
    questions = {id: Question(id, "toy", f"question {id}") for id in made.ids}
    plan = fit([made], runs, questions, max_tokens=400, probes=4, made={})
    assert len(plan.half_of) == N
    assert sorted(plan.half_of.values()) == [0] * (N // 2) + [1] * (N // 2)
    crossed = plan.made["crossed"][0]
    assert crossed["planned"] > crossed["fixed"]


def test_tabulating_meets_the_same_orders_as_the_runs() -> None:
    problems = [problem(f"p{i}") for i in range(6)]
    source = live(ToyPropose(0.5), ToyJudge())

    async def both() -> tuple[Table, Runs]:
        pool = await draw_pool(problems, source, budget=400, max_tokens=60, seed=0)
        runs = await replay("sample", make("sample", max_tokens=60), pool, 400, orders=3, seed=5)
        return await tabulate(pool, [runs], max_tokens=60, probes=1, orders=3, seed=5), runs

    made, runs = asyncio.run(both())
    # One sample looked at is the very sample that `sample` drew, so stopping there is worth the same.
    assert made.plain.after_PO[STOP] == pytest.approx(made.worth_PO["sample"])
    assert made.worth_PO["sample"].shape == (6, 3)
    assert made.scored is not None
    assert set(np.unique(made.scored.features_PO["score"])) <= {0.2, 0.9}
    assert runs.dry == 0


def test_what_looking_costs_the_strategies_after_it_is_measured_and_no_bins_are_made_of_it() -> None:
    made = table({"vote": EASY, "best_of_n": [1.25 - a for a in EASY]}, EASY)
    dear = {name: worth_PO - 0.9 for name, worth_PO in made.plain.after_PO.items()}
    assert fit_row(made).looks
    assert not fit_row(replace(made, plain=replace(made.plain, after_PO=dear))).looks


def test_after_looking_a_strategy_has_what_looking_left() -> None:
    problems = [problem(f"p{i}") for i in range(6)]
    source = live(ToyPropose(0.5), ToyJudge())

    async def both() -> Table:
        pool = await draw_pool(problems, source, budget=400, max_tokens=60, seed=0)
        runs = [await replay("vote", make("vote", max_tokens=60), pool, 70, orders=3, seed=5)]
        return await tabulate(pool, runs, max_tokens=60, probes=4, orders=3, seed=5)

    made = asyncio.run(both())
    # Four samples at once take all of so small a budget: what follows is what the four themselves are worth.
    assert made.plain.after_PO["vote"] == pytest.approx(made.plain.after_PO[STOP])


def test_what_may_be_replayed() -> None:
    assert replayable("vote?n_max=4")
    assert not replayable("beam")
    assert replayable("auto", Plan(40, 4, (Row(1, "vote", (("length", (0.5,)),), ("best_of_n", STOP)),)))
    assert not replayable("auto", Plan(40, 4, (Row(1, "beam"),)))
    assert not replayable("auto")
