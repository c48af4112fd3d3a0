from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from ponder.evaluation.suite import Scores, Suite, build_suite, evaluate
from ponder.evaluation.tables import compare, coverage, decoding, mean_accuracy, rows, unsolved
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


def test_a_file_with_few_rows_gives_all_that_it_has():
    class Rows(Few):
        def size(self, split: str) -> int:
            return 3

    assert len(build_suite([Rows(), Arithmetic()], 4).problems) == 3 + 4


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
    rejection = scores(of, [0.0], [1.0], [1.0], [1.0])
    row = compare(base, final, rejection=rejection)[0]
    assert [row[c]["y"] for c in ("rejection_gain", "over_rejection")] == pytest.approx([1 / 3, 1 / 3])


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
        unsolved(base, scores(suite(b=1), [1.0]), 1)


def test_the_unsolved_are_chosen_by_the_first_tries_and_both_models_tried_afresh():
    of = suite(a=5)
    failed = [0.0, 0.0]
    base = scores(of, [*failed, 1.0, 0.0], [*failed, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0], [*failed, 1.0, 1.0], [0.0])
    final = scores(of, [1.0, 0.0, 0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [], [1.0, 1.0])
    found = unsolved(base, final, 2)
    # Problems 1 and 2: the third was solved, the fourth could not be graded for final, the fifth was tried once only.
    assert (found["problems"], found["tries"], found["again"]) == (2, 2, 2)
    assert found["solved_by_base"]["y"] == pytest.approx(0.5)  # pass@2 of its fresh tries: 1 and 0
    assert found["solved_by_final"]["y"] == pytest.approx(0.75)  # pass@2 of 1 in 4 is 0.5, of 2 in 2 is 1
    assert found["gain"]["y"] == pytest.approx(0.25)
    none = unsolved(scores(of, *[[1.0] * 4] * 5), final, 2)
    assert none == {"problems": 0, "tries": 2, "again": 0} | dict.fromkeys(
        ("solved_by_base", "solved_by_final", "gain")
    )
    with pytest.raises(PonderError, match="draw more"):
        unsolved(scores(of, *[[0.0, 0.0]] * 5), final, 2)


def test_a_model_compared_with_itself_gains_nothing_on_what_it_failed():
    rng = random.Random(1)
    of = suite(a=400)
    hardness = [rng.random() ** 3 for _ in of.problems]
    base, again = (scores(of, *([float(rng.random() < h) for _ in range(32)] for h in hardness)) for _ in range(2))
    found = unsolved(base, again, 8)
    assert found["problems"] > 50
    assert found["solved_by_final"]["y"] > 0.1  # which used to be reported as what training reached
    assert found["gain"]["low"] < 0 < found["gain"]["high"]


def test_coverage_is_pass_at_k_of_both_models_on_the_same_problems():
    of = suite(a=2, b=1)
    base = scores(of, [1.0, 0.0, 0.0, 0.0], [0.0] * 4, [1.0, 1.0, 0.0, 0.0])
    final = scores(of, [1.0] * 4, [0.0] * 4, [1.0] * 5)
    found = coverage(base, final)
    assert [row["k"] for row in found] == [1, 2, 4]
    # Families weigh alike: (1/4 + 0) / 2 = 1/8 and 2/4.
    assert found[0]["base"]["y"] == pytest.approx((1 / 8 + 1 / 2) / 2)
    assert found[1]["base"]["y"] == pytest.approx((1 / 4 + 5 / 6) / 2)  # 1 - C(2,2)/C(4,2) = 5/6
    assert [row["final"]["y"] for row in found] == pytest.approx([0.75] * 3)
    assert found[2]["gain"]["y"] == pytest.approx(0.75 - 0.75)
    assert coverage(scores(of, [], [0.0], [0.0]), final)[0]["n"] == 2


def test_ways_of_decoding_stand_side_by_side_on_the_same_problems():
    of = suite(a=2, b=2)
    warm, cold = scores(of, [0.0], [0.0], [0.0], [1.0]), scores(of, [0.0], [1.0], [0.0], [1.0], temperature=0.0)
    after, after_cold = scores(of, *[[1.0]] * 4), scores(of, [1.0], [1.0], [1.0], [], temperature=0.0)
    found = decoding({"base": {"sampled": warm, "greedy": cold}, "final": {"sampled": after, "greedy": after_cold}})
    assert [row["way"] for row in found] == ["sampled", "greedy"]
    assert [(row["n"], row["gain"]["y"]) for row in found] == [(4, 0.75), (3, 0.75)]
    assert found[1]["temperatures"] == {"base": 0.0, "final": 0.0}
    assert mean_accuracy(cold) == 0.5
    assert mean_accuracy(after_cold) == 1.0
    assert mean_accuracy(scores(of, [1.0], [1.0], [], [])) is None
