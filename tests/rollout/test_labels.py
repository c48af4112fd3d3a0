"""Step labels by every method, on numbers worked out by hand."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.estimators import best_of_k
from ponder.labels.advantages import advantages, differences
from ponder.labels.consensus import consensus
from ponder.labels.labelled import Labelled, implied, up_to_first_error
from ponder.labels.methods import METHODS, Settings, method
from ponder.labels.quality import LabelErrors, label_errors
from ponder.labels.rest import rest_values
from ponder.labels.shepherd import hard, shepherd
from ponder.protocols import Price, Until
from ponder.types import PonderError, Problem, Question, Step, StepLabel, StopReason, Trajectory, Verdict
from tests.rollout.scripted import PROBLEM, Odds, grade, group, rollouts, step, trajectory


def values(item: Labelled) -> list[float]:
    return [label.value for label in item.labels]


def test_shepherd_labels_are_shares_and_the_last_label_is_the_outcome() -> None:
    odds = Odds({"a": 4, "ab": 1, "abc": 0}.__getitem__)
    right, wrong = asyncio.run(shepherd(group("abR", "abcW"), rollouts(odds), n=4))
    assert values(right) == [1.0, 0.25, 1.0] and values(wrong) == [1.0, 0.25, 0.0, 0.0]
    assert (right.first_error, wrong.first_error) == (-1, 2)
    assert (right.outcome, wrong.outcome) == (1.0, 0.0)
    assert values(hard(wrong)) == [1.0, 1.0, 0.0, 0.0]


def test_equal_beginnings_are_rolled_out_once() -> None:
    odds = Odds(lambda text: 1)
    desk = rollouts(odds)
    asyncio.run(shepherd(group("abR", "abW", "aW"), desk, n=4))
    assert sorted(odds.asked) == ["a", "ab"] and desk.drawn == 8 and desk.spent == 8


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_a_hard_label_is_never_below_a_soft_one_and_equal_for_a_deterministic_policy(right: list[int]) -> None:
    text = "abcdef"[: len(right)] + "W"
    for odds in (Odds(lambda prefix: right[len(prefix) - 1]), Odds(lambda prefix: 4 * (right[len(prefix) - 1] > 1))):
        (item,) = asyncio.run(shepherd(group(text), rollouts(odds), n=4))
        assert all(h >= s for h, s in zip(values(hard(item)), values(item), strict=True))
    assert values(hard(item)) == values(item)


def test_a_budget_is_never_overspent_and_what_it_does_not_reach_has_no_label() -> None:
    # Two rollouts after a prefix may cost 2 * (10 - its length): 18, 16 and 14. The first never fits into 17.
    desk = rollouts(Odds(lambda text: 1), budget=36, max_tokens=10)
    (item,) = asyncio.run(shepherd(group("abcW"), desk, n=2))
    assert [label.step for label in item.labels] == [0, 1, 2, 3] and desk.spent == 6
    desk = rollouts(Odds(lambda text: 1), budget=17, max_tokens=10)
    (item,) = asyncio.run(shepherd(group("abcW"), desk, n=2))
    assert [label.step for label in item.labels] == [1, 2, 3] and item.first_error is None
    assert desk.budget is not None and desk.budget.spent == desk.spent == 4


def test_what_was_left_of_the_worst_case_pays_for_another_batch() -> None:
    desk = rollouts(Odds(lambda text: 1), budget=19, max_tokens=10)
    (item,) = asyncio.run(shepherd(group("abW"), desk, n=2))
    # 18 reserved for a, so ab (16) waits; a costs 2, and 17 are left for ab.
    assert [label.step for label in item.labels] == [0, 1, 2]


class Spendthrift(Odds):
    """Every rollout runs to its limit, as the plan of a budget must expect."""

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        await asyncio.sleep(0)
        return [step("W" * max_tokens, prefix, StopReason.END) for _ in range(n)]


@pytest.mark.parametrize("limit", [15, 19, 33, 34, 47, 48])
def test_prefixes_that_wait_together_do_not_spend_the_same_money(limit: int) -> None:
    desk = rollouts(Spendthrift(lambda _: 0), budget=limit, max_tokens=10)
    asyncio.run(shepherd(group("abcW"), desk, n=2))
    # Prices are 18, 16 and 14, first come first served.
    assert desk.spent == {15: 14, 19: 18, 33: 32, 34: 34, 47: 34, 48: 48}[limit]


def test_a_rollout_that_cannot_be_judged_is_left_out_and_not_counted_as_wrong() -> None:
    desk = rollouts(Odds(lambda text: 1))
    desk.source._grade = lambda problems, texts: [
        Verdict(outcome=1.0) if i % 2 else Verdict(failure="timeout") for i in range(len(texts))
    ]
    (item,) = asyncio.run(shepherd(group("aW"), desk, n=4))
    assert item.labels[0] == StepLabel(0, 1.0, 2)


def test_a_broken_grader_is_heard_and_nothing_hangs() -> None:
    desk = rollouts(Odds(lambda text: 1))

    def broken(*_: object) -> list[Verdict]:
        raise RuntimeError("the grader died")

    desk.source._grade = broken
    with pytest.raises(RuntimeError, match="the grader died"):
        asyncio.run(asyncio.wait_for(shepherd(group("abW"), desk, n=2), 5))


def test_labels_after_the_first_error_are_cut_and_implied_ones_fill_the_gaps() -> None:
    labels = (StepLabel(1, 0.5, 8), StepLabel(3, 0.0, 8), StepLabel(4, 0.0, 8), StepLabel(5, 0.0, 1))
    item = Labelled(trajectory("abcdeW"), labels, outcome=0.0, first_error=3)
    assert [label.step for label in up_to_first_error(item).labels] == [1, 3]
    assert [(x.step, x.value, x.rollouts) for x in implied(item).labels] == [(0, 1, 0), (1, 1, 8), (2, 1, 0), (3, 0, 8)]
    none = Labelled(trajectory("abR"), (), outcome=1.0, first_error=-1)
    assert values(implied(none)) == [1.0, 1.0, 1.0]


def test_rest_values_of_an_error_free_path_are_k_over_K_and_a_wrong_path_stays_at_zero() -> None:
    right, wrong = rest_values(group("abcR", "xyzW"))
    assert values(right) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert values(wrong) == [0.0] * 4


def test_rest_values_fall_where_the_right_path_is_left() -> None:
    right, wrong = rest_values(group("abcR", "abyW"))
    assert values(right) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    # y: two steps to its end, so 0.5 - 0.5 / 2; then 0.25 - 0.75 / 1, which is below 0.
    assert values(wrong) == pytest.approx([0.25, 0.5, 0.25, 0.0])
    assert [label.rollouts for label in right.labels] == [2, 2, 1, 1]


def test_the_nearest_right_end_counts() -> None:
    long, short = rest_values(group("abcdR", "aR"))
    assert values(long)[0] == values(short)[0] == pytest.approx(0.5)


def test_advantages_sum_to_the_outcome_less_the_value_of_the_question() -> None:
    odds = Odds({"": 2, "a": 3, "ab": 1}.__getitem__)
    # Of 4 rollouts from the question 2 end right: 1/2 alone, 1 - 1/6 for the best of two, and 1 of any four.
    for best_of, start in ((1, 1 / 2), (2, 5 / 6), (4, 1.0)):
        right, wrong = asyncio.run(advantages(group("abR", "aW"), rollouts(odds), n=4, best_of=best_of))
        assert sum(right.advantages_S) == pytest.approx(1 - start)
        assert sum(wrong.advantages_S) == pytest.approx(0 - start)
    # After a: 3 of 4, so no two are both wrong. After ab: 1 of 4, so 3 of the 6 pairs hold it.
    two = asyncio.run(advantages(group("abR"), rollouts(odds), n=4, best_of=2))[0]
    assert two.advantages_S == pytest.approx((1 - 5 / 6, 1 / 2 - 1, 1 / 2))
    assert values(two) == [0.75, 0.25, 1.0]  # labels are the prover's own values
    plain = asyncio.run(advantages(group("abR"), rollouts(odds), n=4))[0]
    assert plain.advantages_S == pytest.approx((0.25, -0.5, 0.75))


def test_a_step_that_changes_nothing_has_no_advantage_and_the_policys_own_mean_is_zero() -> None:
    assert differences([0.5, 0.5, 1.0]) == (0.0, 0.5)
    # From V = 0.5 with two equally likely steps of values 0.75 and 0.25.
    assert sum(differences([0.5, v])[0] for v in (0.75, 0.25)) == 0


def test_advantages_with_a_value_missing_are_not_given() -> None:
    (found,) = asyncio.run(advantages(group("abW"), rollouts(Odds(lambda _: 1), budget=19, max_tokens=10), n=2))
    assert found.advantages_S == () and found.labels


def right_of(n: int, c: int) -> list[float]:
    return [1.0] * c + [0.0] * (n - c)


def test_best_of_k_counts_the_sets_with_a_right_one() -> None:
    assert best_of_k(right_of(4, 2), 2) == pytest.approx(5 / 6)
    assert best_of_k(right_of(8, 3), 1) == 3 / 8
    assert best_of_k(right_of(3, 0), 2) == 0 and best_of_k(right_of(3, 3), 2) == 1
    assert best_of_k(right_of(3, 1), 4) is None
    # Of graded outcomes: pairs {0, .5}, {0, 1}, {.5, 1} have the best .5, 1, 1.
    assert best_of_k([0.5, 0.0, 1.0], 2) == pytest.approx(2.5 / 3)
    with pytest.raises(PonderError, match="best of 0 draws, valued from 1 rollouts"):
        asyncio.run(advantages(group("aW"), rollouts(Odds(lambda _: 1)), n=1, best_of=0))
    with pytest.raises(PonderError, match="allowed are 1 to 2"):
        asyncio.run(advantages(group("aW"), rollouts(Odds(lambda _: 1)), n=2, best_of=3))


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 1), st.integers(1, 8), st.integers(1, 8))
def test_best_of_k_is_right_on_average(v: float, k: int, more: int) -> None:
    n = k + more - 1
    chance = [math.comb(n, c) * v**c * (1 - v) ** (n - c) for c in range(n + 1)]
    expected = sum(p * (best_of_k(right_of(n, c), k) or 0.0) for c, p in enumerate(chance))
    assert expected == pytest.approx(1 - (1 - v) ** k, abs=1e-9)


def test_the_value_of_the_best_of_four_from_four_rollouts_at_one_in_five() -> None:
    chance = [math.comb(4, c) * 0.2**c * 0.8 ** (4 - c) for c in range(5)]
    unbiased = sum(p * (best_of_k(right_of(4, c), 4) or 0.0) for c, p in enumerate(chance))
    plugged_in = sum(p * (1 - (1 - c / 4) ** 4) for c, p in enumerate(chance))
    assert unbiased == pytest.approx(0.590, abs=5e-4) and plugged_in == pytest.approx(0.451, abs=5e-4)


def test_the_outcome_of_a_finished_response_is_its_value_under_every_prover() -> None:
    assert [best_of_k(right_of(4, c), k) for c in (0, 4) for k in (1, 2, 4)] == [0, 0, 0, 1, 1, 1]


class Judge:
    """Gives every trajectory these step scores, as far as it has steps."""

    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def price(self, question: Question) -> Price:
        return Price(token=1.0)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: object) -> list[Verdict]:
        return [Verdict(step_scores=self.scores)]


def test_consensus_keeps_what_judge_and_rollouts_agree_on() -> None:
    at_one = Labelled(trajectory("abW"), (), first_error=1)
    at_two = Labelled(trajectory("abW"), (), first_error=2)
    clean = Labelled(trajectory("abR"), (), first_error=-1)
    unknown = Labelled(trajectory("abW"), ())
    found = asyncio.run(consensus([at_one, at_two, clean, unknown], Judge(0.9, 0.4, 0.1)))
    assert found.kept == (at_one,) and (found.disagreed, found.undecided) == (2, 1)
    assert asyncio.run(consensus([at_one, clean], Judge(0.9, 0.5, 0.9))).kept == (clean,)
    with pytest.raises(PonderError, match="2 step scores for 3 steps"):
        asyncio.run(consensus([clean], Judge(0.9, 0.9)))


def test_label_errors_count_both_kinds_apart() -> None:
    labels = [StepLabel(0, 0.0, 4), StepLabel(1, 0.5, 4), StepLabel(2, 0.25, 4), StepLabel(3, 0.0, 4)]
    found = label_errors(labels, (True, True, False, False))
    assert found == LabelErrors(good=2, bad=2, false_negatives=1, false_positives=1)
    assert found.error == 0.5 and LabelErrors().error is None
    assert label_errors(labels, (True, True, False, False), threshold=0.25).false_positives == 0


@pytest.mark.parametrize(("n", "missed", "passed"), [(4, 0.24, 0.185), (8, 0.058, 0.337), (64, 0.0, 0.962)])
def test_more_rollouts_trade_misses_for_false_passes(n: int, missed: float, passed: float) -> None:
    # The algebra of hard labels for completion rates .3 after a good prefix and .05 after a bad one.
    assert (1 - 0.3) ** n == pytest.approx(missed, abs=6e-4)
    assert 1 - (1 - 0.05) ** n == pytest.approx(passed, abs=6e-4)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_by_name(name: str) -> None:
    odds = Odds(lambda text: 2)
    found = asyncio.run(method(name).label(group("abR", "abcW"), rollouts(odds), Settings(n=4, searches=2)))
    assert found and all(item.problem == PROBLEM.id for item in found)
    if method(name).correctness:
        assert all(label.value in (0, 1) for item in found for label in item.labels)
        assert all(label.value == 1 for item in found for label in item.labels[:-1])


def test_an_unknown_method_is_named_with_the_known_ones() -> None:
    with pytest.raises(PonderError, match="omega"):
        method("omegga")


def test_grading_of_many_problems_is_one_call() -> None:
    calls: list[int] = []
    desk = rollouts(Odds(lambda text: 1))

    def counted(problems: Sequence[Problem], texts: Sequence[str]) -> list[Verdict]:
        calls.append(len(texts))
        return grade(problems, texts)

    desk.source._grade = counted
    asyncio.run(shepherd(group("abcW"), desk, n=2))
    assert calls == [6]
