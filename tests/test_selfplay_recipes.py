"""What the self-play recipes compute by themselves: the annotator, its comparisons, when a transfer is told from 0."""

from __future__ import annotations

import math
import random

import pytest

from ponder.evaluation.intervals import Interval
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict
from recipes.three_ways.annotator import Annotator, compared
from recipes.transfer import measure as transfer


def group(name: str, *answers: tuple[float, int]) -> Group:
    """Answers as (outcome, tokens)."""
    question = Question(name, "sums", "1+1?")
    leaves = [Step((1,) * n, (0.0,) * n, f"{at}", 0, StopReason.END) for at, (_, n) in enumerate(answers)]
    verdicts = tuple(Verdict(outcome=outcome) for outcome, _ in answers)
    return Group(Problem(question, Key("2")), tuple(Trajectory(question, leaf) for leaf in leaves), verdicts)


def test_the_annotator_with_numbers() -> None:
    annotator = Annotator(length_bias=0.5, noise=0.5)
    assert annotator.chance((1.0, 80), (0.0, 80)) == pytest.approx(1 / (1 + math.exp(-2)))  # 88 %
    assert annotator.chance((1.0, 50), (0.0, 150)) == pytest.approx(1 / (1 + math.exp(-1)))  # 73 %
    assert annotator.chance((0.0, 150), (0.0, 50)) == pytest.approx(1 / (1 + math.exp(-1)))  # longer is better
    assert annotator.chance((1.0, 60), (1.0, 60)) == 0.5
    assert Annotator(length_bias=0.0, noise=1e-2).chance((1.0, 10), (0.0, 300)) == pytest.approx(1.0)


def test_the_order_of_the_two_does_not_matter() -> None:
    annotator, rng = Annotator(), random.Random(0)
    for _ in range(50):
        one, other = ((float(rng.random() < 0.5), rng.randint(1, 300)) for _ in range(2))
        assert annotator.chance(one, other) + annotator.chance(other, one) == pytest.approx(1.0)


def test_comparisons_are_pairs_of_one_problem_with_the_preferred_answer_first() -> None:
    sharp = Annotator(length_bias=0.0, noise=1e-3)
    groups = [group("a", (1.0, 10), (0.0, 90), (0.0, 50)), group("b", (0.0, 10), (1.0, 20))]
    found = compared(groups, sharp, 3, 0)
    assert [c.problem for c in found] == ["a", "a", "a", "b"]
    assert all(c.outcomes[0] >= c.outcomes[1] for c in found)
    assert all(c.better.question.id == c.worse.question.id == c.problem for c in found)
    assert compared(groups, sharp, 3, 0) == found  # a seed gives the same comparisons


def test_a_noisy_annotator_is_wrong_as_often_as_it_says() -> None:
    annotator, rng = Annotator(length_bias=0.0, noise=0.5), random.Random(1)
    wins = sum(annotator.prefers((1.0, 10), (0.0, 10), rng) for _ in range(4000)) / 4000
    assert wins == pytest.approx(annotator.chance((1.0, 10), (0.0, 10)), abs=0.02)


@pytest.mark.parametrize(
    ("low", "high", "seeds", "told"),
    [
        (0.01, 0.2, [0.1, 0.1, 0.05], True),
        (-0.2, -0.01, [-0.1, -0.1, -0.05], True),
        (-0.01, 0.2, [0.1, 0.1, 0.05], False),  # the interval over problems holds 0
        (0.01, 0.2, [0.2, 0.2, -0.05], False),  # a seed goes the other way
    ],
)
def test_a_transfer_is_told_from_0_by_interval_and_seeds(
    low: float, high: float, seeds: list[float], told: bool
) -> None:
    cell = {"gain": Interval((low + high) / 2, low, high, 60), "seeds": seeds}
    assert transfer.sure(cell) == told


def test_the_matrix_pairs_each_training_with_the_base_of_its_seed() -> None:
    def test(right: int) -> transfer.Outcomes:
        return {name: [1.0] * right + [0.0] * (4 - right) for name in transfer.FAMILIES}

    bases = [{"test": test(1)}, {"test": test(2)}]
    cells = [{"family": "nim", "seed": seed, "test": test(3)} for seed in (0, 1)]
    matrix = transfer.gains(bases, cells)
    assert list(matrix) == ["nim"]
    assert matrix["nim"]["arithmetic"]["seeds"] == [0.5, 0.25]
    assert matrix["nim"]["arithmetic"]["gain"].y == pytest.approx(0.375)
    assert "| nim |" in transfer.said(bases, matrix)
