"""Rejection-sampling fine-tuning on a toy policy whose skill is what it learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.rejection import MOST_RIGHT, Player, fine_tune, right_answers
from ponder.types import Group, PonderError, Problem, Sample, StopReason, Verdict
from tests.evaluation.toy import problem, trajectory


@dataclass
class Report:
    flops: float = 10.0
    seconds: float = 1.0
    steps: int = 1
    loss: float | None = 0.5


@dataclass
class Toy:
    """Answers right in the first `skill` of 8 samples; every published update adds one to its skill."""

    skill: int = 2
    price: float = 30.0
    log: list[str] = field(default_factory=list)
    rows: list[Sample] = field(default_factory=list)
    learned: int = 0
    work: float = 99.0  # of what was done before

    def player(self) -> Player:
        return Player(self.draw, self.update, self.publish, self.worked, lambda question: (1, 2))

    def draw(self, problems: Sequence[Problem], seed: int) -> list[Group]:
        self.log.append(f"draw {seed} at {self.skill}")
        self.work += self.price
        return [judged(p, [float(i < self.skill) for i in range(8)]) for p in problems]

    def update(self, rows: Sequence[Sample]) -> Report:
        self.log.append(f"update {len(rows)}")
        self.rows += rows
        self.learned = 1
        return Report()

    def publish(self) -> None:
        self.log.append("publish")
        self.skill, self.learned = self.skill + self.learned, 0

    def worked(self) -> float:
        done, self.work = self.work, 0.0
        return done


def judged(of: Problem, outcomes: Sequence[float | None], same: bool = False) -> Group:
    texts = ["say" if same else f"say {i}" for i in range(len(outcomes))]
    verdicts = tuple(Verdict(failure="timeout") if y is None else Verdict(outcome=y) for y in outcomes)
    return Group(of, tuple(trajectory(of.question, text) for text in texts), verdicts)


def test_it_draws_from_the_policy_it_has_just_taught_until_the_work_is_spent() -> None:
    toy, told = Toy(), []
    curriculum = Curriculum([Arithmetic(terms=2)], seed=0)
    report = fine_tune(toy.player(), curriculum, flops=100, problems=2, batch=3, tell=lambda *spent: told.append(spent))
    # 2 problems x 2 right = 4 rows = two updates: 30 + 20; then 2 x 3 = 6 rows: 30 + 20, and 100 are spent.
    assert toy.log == [
        "draw 0 at 2", "update 3", "update 1", "publish",
        "draw 1 at 3", "update 3", "update 3", "publish",
    ]  # fmt: skip
    assert (report.flops, report.sampling_flops, report.steps, report.draws) == (100.0, 60.0, 4, 2)
    assert (report.sampled, report.kept, report.loss, report.seconds) == (32, 10, 0.5, 4.0)
    assert told == [(50.0, 100), (100.0, 100)]
    assert curriculum.rates["arithmetic"][2] == pytest.approx(0.8 * 0.25 + 0.2 * 0.375)


def test_sampling_is_paid_for_even_when_nothing_was_right() -> None:
    toy = Toy(skill=0)
    report = fine_tune(
        toy.player(), Curriculum([Arithmetic()], seed=0), flops=70, problems=1, batch=8, tell=lambda *_: None
    )
    assert toy.log == ["draw 0 at 0", "draw 1 at 0", "draw 2 at 0"]
    assert (report.flops, report.kept, report.steps, report.loss) == (90.0, 0, 0, None)


def test_an_engine_that_counts_no_work_is_refused_and_not_waited_for() -> None:
    with pytest.raises(PonderError, match="counts no work"):
        fine_tune(
            Toy(price=0.0).player(),
            Curriculum([Arithmetic()], seed=0),
            flops=1,
            problems=1,
            batch=1,
            tell=lambda *_: None,
        )


def test_only_right_whole_and_different_answers_are_imitated_and_few_of_a_problem() -> None:
    of = problem("a")
    rows = right_answers([judged(of, [1.0, 0.0, None, 1.0])], lambda question: (7,))
    assert [bytes(row.response).decode() for row in rows] == ["say 0", "say 3"]
    assert all(row.prompt == (7,) and set(row.advantages_T) == set(row.mask_T) == {1.0} for row in rows)
    assert len({row.id for row in rows}) == 2
    assert len(right_answers([judged(of, [1.0] * 3, same=True)], lambda question: ())) == 1
    assert len(right_answers([judged(of, [1.0] * 8)], lambda question: ())) == MOST_RIGHT
    cut = Group(of, (trajectory(of.question, "say", StopReason.LENGTH),), (Verdict(outcome=1.0),))
    assert right_answers([cut], lambda question: ()) == []
