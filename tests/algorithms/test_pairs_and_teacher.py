"""Preference pairs, distillation, rejection and role baselines by hand; and the bad cases of every credit rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ponder.algorithms import ALGORITHMS
from ponder.algorithms.algorithm import Algorithm, Answer, Answers, Batch
from ponder.algorithms.distillation import Distillation
from ponder.algorithms.gae import GAE
from ponder.algorithms.preference import Preference, StepPreference
from ponder.algorithms.rejection import Rejection
from ponder.algorithms.role_baseline import RoleBaseline
from ponder.learning.samples import pack
from ponder.rewards.component import Earned, Graded, earned
from ponder.rewards.outcome import Outcome
from ponder.types import Key, PonderError, Problem, Question, StopReason, Trajectory, Verdict
from tests.algorithms.batches import steps
from tests.learning.factory import QUESTION
from tests.learning.factory import group as judged


def full(outcome: float, *lengths: int) -> Answer:
    """An answer with everything that any rule may ask for."""
    trajectory, count = steps(*(lengths or (3,))), len(lengths or (3,))
    tokens = len(trajectory)
    return Answer(
        Earned(trajectory, outcome, (), {"outcome": outcome}),
        values_T=(0.5,) * tokens,
        outcome=outcome,
        scores_S=(0.5,) * count,
        rollouts_S=((1.0, 0.0, 1.0, 0.0),) * count,
        implicit_T=(0.0,) * tokens,
        teacher_T=(-1.0,) * tokens,
    )


def batch(*groups: list[Answer]) -> Batch:
    return Batch(tuple(Answers(Problem(QUESTION, Key()), tuple(some)) for some in groups))


def test_right_and_wrong_answers_are_paired_in_order_and_the_rest_is_left_out():
    found = Preference().credit(batch([full(1.0), full(0.0), full(0.0), full(1.0), full(0.0)]))
    (credits_G,) = found.credits_PG
    assert [credit.pair for credit in credits_G] == ["q/0", "q/0", "q/1", "q/1", ""]
    assert [credit.advantages_T[0] for credit in credits_G] == [1.0, -1.0, -1.0, 1.0, 0.0]
    assert found.metrics == {"pairs": 2.0}
    assert len(pack([credits_G], lambda _: (2,)).samples) == 4


def test_a_problem_always_or_never_solved_has_no_pair():
    found = Preference().credit(batch([full(1.0), full(1.0)], [full(0.0), full(0.0)]))
    assert pack(found.credits_PG, lambda _: (2,)).dead == 2


def test_step_preference_blames_up_to_the_first_step_after_which_nothing_ends_right():
    wrong = replace(full(0.0, 1, 2, 1, 1), rollouts_S=((1.0, 0.0), (1.0, 0.0), (0.0, 0.0), (0.0, 0.0)))
    (credits_G,) = StepPreference().credit(batch([full(1.0), wrong])).credits_PG
    assert credits_G[1].advantages_T == (-1.0, -1.0, -1.0, 0.0, 0.0)  # the second step lost it
    hopeful = replace(wrong, rollouts_S=((1.0,), (1.0,), None, (1.0,)))
    (credits_G,) = StepPreference().credit(batch([full(1.0), hopeful])).credits_PG
    assert credits_G[1].advantages_T == (-1.0,) * 5


def test_distillation_is_the_difference_to_the_teacher_within_a_limit():
    taught = replace(full(1.0), teacher_T=(-0.5, -3.0, -100.0))  # the policy said -1 everywhere
    (credits_G,) = Distillation(limit=5.0).credit(batch([taught])).credits_PG
    assert credits_G[0].advantages_T == (0.5, -2.0, -5.0)
    assert Distillation().credit(batch([full(1.0), full(0.0)])).credits_PG[0][0].advantages_T == (0.0,) * 3
    mixed = Distillation(reward=2.0).credit(batch([full(1.0), full(0.0)])).credits_PG[0]
    assert [c.advantages_T[0] for c in mixed] == [1.0, -1.0]


def test_rejection_keeps_each_text_once_and_never_a_cut_answer():
    cut = full(1.0, 2)
    leaf = replace(cut.trajectory.leaf, stop=StopReason.LENGTH)
    cut = replace(cut, earned=Earned(Trajectory(QUESTION, leaf), 1.0))
    answers = [full(1.0, 1), full(1.0, 1), full(1.0, 4), full(0.0, 5), cut]
    kept = Rejection(most=4).credit(batch(answers)).credits_PG[0]
    assert [credit.advantages_T[0] for credit in kept] == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert [c.advantages_T[0] for c in Rejection().credit(batch(answers)).credits_PG[0]] == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_moving_baseline_of_a_role_is_the_one_before_the_update():
    rule = RoleBaseline(baseline="ema", decay=0.75)
    first = rule.credit(batch([full(1.0), full(0.0)]))
    assert [c.advantages_T[0] for c in first.credits_PG[0]] == [1.0, 0.0]
    assert first.memory == {"toy": 0.125}
    second = rule.credit(replace(batch([full(1.0), full(0.0)]), memory=first.memory))
    assert [c.advantages_T[0] for c in second.credits_PG[0]] == [0.875, -0.125]
    assert second.memory == {"toy": pytest.approx(0.75 * 0.125 + 0.125)}


def rules() -> list[Algorithm]:
    return [cls() for cls in ALGORITHMS.settings_classes]  # type: ignore[call-arg]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule.kind))
def test_bad_cases_of_every_rule(rule: Algorithm):
    """A group of one, equal rewards, an empty group, a response of one token, an empty batch: named zeros, no crash."""
    cases = {
        "one": batch([full(1.0)]),
        "equal": batch([full(1.0), full(1.0)]),
        "empty group": batch([], [full(1.0), full(0.0)]),
        "one token": batch([full(1.0, 1), full(0.0, 1)]),
        "no groups": batch(),
    }
    for name, case in cases.items():
        found = rule.credit(case)
        assert [len(some) for some in found.credits_PG] == [len(g.answers_G) for g in case.groups_P], name
        flat = [a for credits_G in found.credits_PG for c in credits_G for a in c.advantages_T]
        assert all(abs(a) < 1e6 for a in flat), name  # finite, and no rounding error blown up
    relative = {"dr_grpo", "grpo", "rloo", "reinforce_pp", "role_baseline", "preference", "step_preference", "tree"}
    if rule.kind in relative:
        for name in ("one", "equal"):
            assert not any(c.advantages_T[0] for c in rule.credit(cases[name]).credits_PG[0]), name


def test_a_group_that_nobody_could_judge_teaches_nothing():
    broken = judged([None, None])
    graded = Graded(broken, (), ())
    assert earned([Outcome()], graded) == []


def test_a_reward_that_is_not_a_number_is_named():
    class Broken(Outcome):
        def pay(self, graded: Graded) -> list[float]:
            return [float("nan")] * len(graded)

    some = judged([1.0])
    with pytest.raises(PonderError, match="it pays nan for an answer to q; a reward must be finite"):
        earned([Broken()], Graded(some, some.trajectories, (1.0,)))


def test_a_critic_that_is_not_finite_is_named():
    with pytest.raises(PonderError, match="the critic diverged"):
        GAE().credit(batch([replace(full(1.0), values_T=(0.5, float("nan"), 0.5))]))


def test_roles_are_read_from_the_key():
    def of(role: str, *rewards: float) -> Answers:
        question = Question("q", "game", "?")
        return Answers(Problem(question, Key(data={"role": role})), tuple(full(r) for r in rewards))

    found = RoleBaseline(scale=True, epsilon=0.0).credit(Batch((of("first", 1.0, 1.0, 0.0), of("second", 0.0))))
    assert [c.advantages_T[0] for c in found.credits_PG[1]] == [0.0]
    assert sum(c.advantages_T[0] for c in found.credits_PG[0]) == pytest.approx(0.0)
    assert Verdict(outcome=1.0).failure is None
