from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

from ponder.evaluation.curves.scaling import coverage_curve, natural_curve, thinking_curve, training_curve
from ponder.evaluation.pools.pool import Pool, make_pool
from ponder.evaluation.pools.runs import ProblemRuns, Runs, replay, run_live
from ponder.search.strategies.sample import Sample
from ponder.search.strategies.vote import Vote
from ponder.types import Usage
from tests.evaluation.toy import CLOSE, ToyPropose, group, live, problem


def runs(budget: float, outcomes: dict[str, Sequence[Sequence[float]]], spent: float = 100.0, dry: float = 0.0) -> Runs:
    """Runs with the given outcomes by family and problem."""
    problems = tuple(
        ProblemRuns(f"{family}{i}", family, tuple(some), tuple(Usage(kept=spent) for _ in some))
        for family, several in outcomes.items()
        for i, some in enumerate(several)
    )
    return Runs("vote", budget, problems, dry)


def pool(*texts: Sequence[str]) -> Pool:
    return asyncio.run(make_pool([group(f"p{i}", some) for i, some in enumerate(texts)], live(), max_tokens=99))


def test_a_point_is_at_what_was_spent_and_weighs_families_alike():
    some = runs(128, {"a": [[1.0, 0.0]], "b": [[0.0], [0.0], [0.0]]}, spent=90.0)
    (point,) = thinking_curve("vote", [some]).points
    assert (point.x, point.y, point.n) == (90.0, 0.25, 4)
    assert point.low <= 0.25 <= point.high


def test_points_come_in_the_order_of_budgets_and_budgets_without_runs_have_none():
    curve = thinking_curve("vote", [runs(256, {"a": [[1.0]]}, 200), runs(64, {"a": [[0.0]]}, 50), runs(8, {})])
    assert [p.x for p in curve.points] == [50, 200]


def test_a_curve_says_where_the_samples_ran_out():
    assert "25% of runs at budget 64" in thinking_curve("vote", [runs(64, {"a": [[1.0]]}, dry=0.25)]).note
    assert thinking_curve("vote", [runs(64, {"a": [[1.0]]})]).note == ""


def test_one_family_has_a_curve_of_its_own():
    some = runs(128, {"a": [[1.0]], "b": [[0.0], [0.0]]})
    assert thinking_curve("vote", [some.of("b")]).points[0].n == 2


def test_a_vote_over_a_pool_rises_with_the_budget_and_a_sample_does_not():
    texts = [[f"xx{CLOSE}{'1' if i % 5 < 3 else i % 5}" for i in range(40)] for _ in range(30)]
    full = pool(*texts)
    votes = [asyncio.run(replay("vote", Vote(99, 32), full, b)) for b in (100, 300, 900)]
    ys = [p.y for p in thinking_curve("vote", votes).points]
    assert ys[0] < ys[-1]
    assert ys[-1] > 0.9
    single = asyncio.run(replay("sample", Sample(99, 32), full, 900))
    assert thinking_curve("sample", [single]).points[0].y < 0.75


def test_coverage_is_pass_at_k_against_the_tokens_of_k_samples():
    right, wrong = f"xx{CLOSE}1", f"xx{CLOSE}2"  # 11 tokens each
    curve = coverage_curve(pool([right, wrong, wrong, wrong], [wrong] * 4), ks=(2, 1, 4, 8))
    assert [(p.x, p.y) for p in curve.points] == [(11, 0.125), (22, 0.25), (44, 0.5)]


def test_coverage_has_no_point_that_only_some_problems_could_give():
    assert [p.n for p in coverage_curve(pool([f"{CLOSE}1"] * 4, [f"{CLOSE}1"] * 2), ks=(1, 2, 4)).points] == [2, 2]


def test_the_natural_curve_sorts_samples_by_length_and_says_what_it_is():
    short, long = f"x{CLOSE}1", f"{'x' * 30}{CLOSE}2"
    curve = natural_curve(pool([short, short, long], [short, long, long]), buckets=2)
    assert [(p.x, p.y, p.n) for p in curve.points] == [(10, 1.0, 2), (39, 0.0, 2)]
    assert "selection, not control" in curve.note


def test_samples_of_one_length_make_one_bucket():
    assert len(natural_curve(pool([f"x{CLOSE}1"] * 9), buckets=6).points) == 1


def test_the_training_curve_is_in_order_of_compute():
    curve = training_curve("validation", [(2e9, {"a": [1.0, 0.0]}), (1e9, {"a": [0.0, 0.0]})])
    assert [(p.x, p.y) for p in curve.points] == [(1e9, 0.0), (2e9, 0.5)]


def test_curves_and_runs_become_json():
    some = asyncio.run(run_live("sample", Sample(64, 16), [problem("p")], live(ToyPropose()), 64))
    assert json.loads(json.dumps(asdict(some)))["budget"] == 64
    assert json.loads(json.dumps(asdict(thinking_curve("sample", [some]))))["points"][0]["n"] == 1


def test_a_live_run_that_cannot_be_graded_is_left_out_and_counted():
    class Broken(ToyPropose):
        async def __call__(self, question, prefix, n, *, until, max_tokens, seed):
            leaves = await super().__call__(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)
            return [group("q", [f"x{CLOSE}broken"]).trajectories[0].leaf for _ in leaves]

    some = asyncio.run(run_live("sample", Sample(64, 16), [problem("p")], live(Broken()), 64, repeats=3))
    assert some.problems == ()
    assert some.failures == 3
