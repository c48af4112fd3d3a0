from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from ponder.evaluation.suite import Scores, Suite, build_suite, evaluate
from ponder.evaluation.tables import compare, rows, unsolved
from ponder.problems.families.arithmetic import Arithmetic
from ponder.types import PonderError, Problem
from tests.evaluation.toy import problem


class Few:
    """A family with three different problems."""

    name, level = "few", 1

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        return problem(f"{split}{index % 3}", "few", level=1)


def suite(**sizes: int) -> Suite:
    return Suite("test", tuple(problem(f"{f}{i}", f, level=6) for f, n in sizes.items() for i in range(n)))


def scores(of: Suite, *tries: Sequence[float], temperature: float = 1.0) -> Scores:
    return Scores(of, temperature, tuple(tuple(t) for t in tries))


def test_a_suite_is_the_same_every_time_and_holds_no_problem_twice():
    first = build_suite([Arithmetic()], 50)
    assert first == build_suite([Arithmetic()], 50)
    assert len({p.question.text for p in first.problems}) == 50
    validation = {p.question.text for p in build_suite([Arithmetic()], 50, split="validation").problems}
    assert not validation & {p.question.text for p in first.problems}


def test_a_family_may_be_measured_at_several_levels_but_not_twice_at_one():
    family = Arithmetic()
    harder = build_suite([family, family.at_level(family.level + 1)], 5)
    assert [p.level for p in harder.problems] == [family.level] * 5 + [family.level + 1] * 5
    with pytest.raises(PonderError, match="listed twice"):
        build_suite([family, Arithmetic()], 5)


def test_training_problems_and_empty_suites_are_refused():
    with pytest.raises(PonderError, match="held out"):
        build_suite([Arithmetic()], 5, split="train")
    with pytest.raises(PonderError, match="empty"):
        build_suite([], 5)
    with pytest.raises(PonderError, match="only 3 different test problems of the 4"):
        build_suite([Few()], 4)


def test_every_problem_is_run_with_a_seed_of_its_own_and_failures_are_counted():
    seeds: list[int] = []

    async def run_one(one: Problem, seed: int) -> list[float | None]:
        seeds.append(seed)
        return [1.0, None] if one.id == "a0" else [None, None]

    found = asyncio.run(evaluate(suite(a=2), run_one, temperature=1.0, seed=4))
    assert found.tries_P == ((1.0,), ())
    assert found.failures == 3
    assert len(set(seeds)) == 2


def test_rows_give_each_family_and_the_mean_of_the_families():
    table = rows(scores(suite(a=1, b=3), [1.0, 0.0], [0.0], [0.0], [0.0]))
    assert [(r["family"], r["level"], r["n"], r["y"]) for r in table] == [
        ("a", 6, 1, 0.5),
        ("b", 6, 3, 0.0),
        ("mean", None, 4, 0.25),
    ]
    assert all(r["low"] <= r["y"] <= r["high"] and r["temperature"] == 1.0 for r in table)


def test_a_family_that_could_not_be_graded_has_no_row_and_leaves_no_mean():
    assert [r["family"] for r in rows(scores(suite(a=1, b=1), [1.0], []))] == ["a"]


def test_a_comparison_is_paired_on_the_problems_that_all_arms_could_grade():
    of = suite(a=4)
    base = scores(of, [0.0], [0.0], [1.0], [1.0])
    final = scores(of, [1.0], [1.0], [1.0], [])
    control = scores(of, [0.0], [1.0], [1.0], [1.0])
    row = compare(base, final, control)[0]
    assert row["n"] == 3
    assert [row[c]["y"] for c in ("base", "final", "control", "gain", "control_gain")] == pytest.approx(
        [1 / 3, 1.0, 2 / 3, 2 / 3, 1 / 3]
    )
    assert set(row["gain"]) == {"y", "low", "high"}
    assert "control" not in compare(base, final)[0]


def test_a_gain_has_a_tighter_interval_than_its_arms():
    of, rng = suite(a=150, b=150), random.Random(0)
    hardness = [rng.random() for _ in of.problems]
    base = scores(of, *([float(h < 0.3)] for h in hardness))
    final = scores(of, *([float(h < 0.6)] for h in hardness))
    mean = compare(base, final)[-1]
    assert mean["family"] == "mean"
    assert mean["gain"]["y"] == pytest.approx(mean["final"]["y"] - mean["base"]["y"])
    assert mean["gain"]["high"] - mean["gain"]["low"] < mean["final"]["high"] - mean["final"]["low"]


def test_measurements_of_other_problems_or_temperatures_are_not_compared():
    base = scores(suite(a=1), [0.0])
    with pytest.raises(PonderError, match="other problems or temperatures"):
        compare(base, scores(suite(a=1), [1.0], temperature=0.0))
    with pytest.raises(PonderError, match="other problems"):
        unsolved(base, scores(suite(b=1), [1.0]))


def test_the_unsolved_are_those_the_base_never_solved_and_are_tried_as_often():
    of = suite(a=4)
    base = scores(of, [0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0])
    final = scores(of, [1.0, 0.0, 0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [])
    found = unsolved(base, final)
    assert (found["problems"], found["tries"]) == (2, 2)
    assert found["solved_by_final"]["y"] == pytest.approx(0.25)  # pass@2 of 1 in 4 is 0.5, and 0 of the other
    assert unsolved(scores(of, *[[1.0]] * 4), final) == {"problems": 0, "tries": 0, "solved_by_final": None}
