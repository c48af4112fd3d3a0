"""Credit for steps: VinePPO, PAV, verifier progress, PRIME and tree credit by hand, and their invariants."""

from __future__ import annotations

from itertools import combinations
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.algorithms.algorithm import Algorithm, Answer, Answers, Batch
from ponder.algorithms.dr_grpo import DrGRPO
from ponder.algorithms.rloo import RLOO
from ponder.algorithms.steps.pav import PAV
from ponder.algorithms.steps.prime import Prime
from ponder.algorithms.steps.segments import differences
from ponder.algorithms.steps.tree import Tree
from ponder.algorithms.steps.verifier_progress import VerifierProgress
from ponder.algorithms.steps.vineppo import VinePPO
from ponder.estimators import best_of_k
from ponder.rewards.component import Earned
from ponder.types import Key, PonderError, Problem, Step, StopReason, Trajectory
from tests.algorithms.batches import steps
from tests.learning.factory import QUESTION


def group(*answers: Answer) -> Batch:
    return Batch((Answers(Problem(QUESTION, Key()), answers),))


def answer(trajectory: Trajectory, outcome: float, extra: float = 0.0, **more: object) -> Answer:
    """An answer that earned its outcome and `extra` for something else."""
    earned = Earned(trajectory, outcome + extra, (), {"outcome": outcome, "format": extra})
    return Answer(earned, outcome=outcome, **more)  # type: ignore[arg-type]


def credited(rule: Algorithm, batch: Batch) -> list[tuple[float, ...]]:
    return [credit.advantages_T for credits_G in rule.credit(batch).credits_PG for credit in credits_G]


def test_differences_by_hand():
    assert differences([0.5, 0.75, 0.25], 1.0) == [0.25, -0.5, 0.75]
    assert differences([0.5, None, 0.25], 0.0) == [-0.25, -0.25, -0.25]  # two steps share what both did
    assert differences([None, 0.5], 1.0) == [0.0, 0.5]
    assert differences([None, None], 1.0) == [0.0, 0.0]


def test_vineppo_pays_each_step_what_it_changed():
    rolled = ((1.0, 0.0), (1.0, 1.0), (0.0, 0.0))  # V = 0.5, 1, 0, and the answer is right in the end
    found = credited(VinePPO(), group(answer(steps(2, 1, 2), 1.0, rollouts_S=rolled)))
    assert found == [(0.5, 0.5, -1.0, 1.0, 1.0)]
    assert fsum((0.5, -1.0, 1.0)) == 1.0 - 0.5  # they sum to the outcome less V(question)


def test_vineppo_centres_what_is_paid_beyond_the_outcome():
    certain = ((1.0,),)
    batch = group(answer(steps(2), 1.0, 0.2, rollouts_S=certain), answer(steps(1), 1.0, 0.0, rollouts_S=certain))
    assert [found[0] for found in credited(VinePPO(), batch)] == pytest.approx([0.1, -0.1])


def test_vineppo_scales_with_the_weight_of_the_outcome_and_whitens_if_asked():
    one = answer(steps(1, 1), 1.0, rollouts_S=((0.0,), (1.0,)))
    weighted = Batch(group(one).groups_P, outcome_weight=2.0)
    assert credited(VinePPO(), weighted) == [(2.0, 0.0)]
    assert credited(VinePPO(whiten=True), group(one))[0] == pytest.approx((1.0, -1.0), abs=1e-4)


def test_a_policy_that_cannot_fail_gets_no_credit_for_its_steps():
    sure = answer(steps(1, 3), 1.0, rollouts_S=((1.0, 1.0), (1.0, 1.0)))
    assert credited(VinePPO(), group(sure)) == [(0.0,) * 4]


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
def test_the_value_of_the_best_of_k_is_that_over_all_sets(outcomes: list[bool], k: int):
    numbers = [float(outcome) for outcome in outcomes]
    sets = list(combinations(numbers, k))
    if not sets:
        assert best_of_k(numbers, k) is None
    else:
        assert best_of_k(numbers, k) == pytest.approx(sum(map(max, sets)) / len(sets))


def test_pav_adds_progress_under_the_stronger_prover():
    rolled = ((1.0, 0.0), (0.0, 0.0))  # best of two: 1, then 0
    right = answer(steps(1, 2), 1.0, rollouts_S=rolled)
    wrong = answer(steps(2), 0.0, rollouts_S=((1.0, 0.0),))
    found = credited(PAV(alpha=2.0, best_of=2, rollouts=2), group(right, wrong))
    assert found == [(0.5 - 2.0, 0.5 + 2.0, 0.5 + 2.0), (-0.5 - 2.0, -0.5 - 2.0)]
    with pytest.raises(ValueError, match="needs at least as many rollouts"):
        PAV(best_of=8, rollouts=4)


def test_pav_without_weight_is_dr_grpo():
    answers = [answer(steps(1, 2), y, rollouts_S=((1.0,) * 4, (0.0,) * 4)) for y in (1.0, 0.0)]
    assert credited(PAV(alpha=0.0), group(*answers)) == credited(DrGRPO(), group(*answers))


def test_verifier_progress_pays_a_step_its_own_change():
    first = answer(steps(1, 2), 1.0, scores_S=(0.6, 0.9))
    second = answer(steps(1), 0.0, scores_S=(0.4,))  # scores begin at 0.5 on average
    found = credited(VerifierProgress(alpha=1.0), group(first, second))
    assert found == [pytest.approx((0.5 + 0.1, 0.5 + 0.3, 0.5 + 0.3)), pytest.approx((-0.5 - 0.1,))]
    flat = [answer(steps(2), y, scores_S=(0.7,)) for y in (1.0, 0.0)]
    assert credited(VerifierProgress(), group(*flat)) == credited(DrGRPO(), group(*flat))


def test_prime_by_hand():
    first = answer(steps(2), 1.0, implicit_T=(0.2, 0.4))  # mean 0.3
    second = answer(steps(1), 0.0, implicit_T=(-0.1,))  # mean -0.1
    found = credited(Prime(weight=1.0), group(first, second))
    # The other's mean is the baseline: 0.3 and 0.5 for the first, -0.4 for the second; leave-one-out outcomes +-1.
    assert found == [pytest.approx((1.0 + 0.8, 1.0 + 0.5)), pytest.approx((-1.0 - 0.4,))]
    discounted = credited(Prime(gamma=0.5), group(first, second))
    assert discounted[0] == pytest.approx((1.0 + 0.3 + 0.25, 1.0 + 0.5))


def test_prime_with_a_model_equal_to_its_reference_is_rloo():
    answers = [answer(steps(2), y, implicit_T=(0.0, 0.0)) for y in (1.0, 0.0, 0.0)]
    assert credited(Prime(), group(*answers)) == credited(RLOO(), group(*answers))


def branched() -> tuple[Trajectory, Trajectory, Trajectory]:
    """Three answers: the first two share their first step."""
    root = Step((5, 5), (-1.0, -1.0), "a\n", 1, StopReason.STEP)
    left = Step((6,), (-1.0,), "b", 1, StopReason.END, parent=root)
    right = Step((7,), (-1.0,), "c", 1, StopReason.END, parent=root)
    other = Step((8,), (-1.0,), "d", 1, StopReason.END)
    return tuple(Trajectory(QUESTION, leaf) for leaf in (left, right, other))  # type: ignore[return-value]


def test_a_shared_step_gets_the_value_of_its_node():
    batch = group(*(answer(t, y) for t, y in zip(branched(), (1.0, 0.0, 0.0), strict=True)))
    whole = credited(Tree(local=0.0, spread=False), batch)
    third = 1 / 3
    assert whole == [
        pytest.approx((0.5 - third, 0.5 - third, 1 - third)),
        pytest.approx((0.5 - third, 0.5 - third, -third)),
        pytest.approx((-third,)),
    ]
    both = credited(Tree(spread=True), batch)
    assert both[0] == pytest.approx((2 * (0.5 - third) / 2**0.5,) * 2 + (1 - third + 0.5,))


def test_summed_over_its_rows_a_node_has_the_advantage_of_dr_grpo():
    batch = group(*(answer(t, y) for t, y in zip(branched(), (1.0, 0.0, 0.0), strict=True)))
    tree, plain = credited(Tree(local=0.0, spread=False), batch), credited(DrGRPO(), batch)
    assert tree[0][0] + tree[1][0] == pytest.approx(plain[0][0] + plain[1][0])


def test_without_shared_steps_the_whole_part_is_dr_grpo():
    batch = group(answer(steps(1, 2), 1.0), answer(steps(2), 0.0))
    for found, expected in zip(credited(Tree(local=0.0), batch), credited(DrGRPO(), batch), strict=True):
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("rule", [VinePPO(), PAV(), VerifierProgress(), Prime()])
def test_what_was_not_provided_is_named(rule: Algorithm):
    with pytest.raises(PonderError, match=f"algorithm {rule.kind}: 0 "):
        rule.credit(group(answer(steps(1, 2), 1.0)))
