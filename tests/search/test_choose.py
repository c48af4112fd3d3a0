"""The rules of choice on hand-made candidates."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.search.session.choose import Candidate, best, decided, filled, majority, votes, weighted
from ponder.types import Step, StopReason, Trajectory
from tests.search.toys import QUESTION


def candidate(answer: str | None, score: float | None = None) -> Candidate:
    return Candidate(Trajectory(QUESTION, Step((), (), answer or "", 0, StopReason.END)), answer, score)


def candidates(*pairs: tuple[str | None, float | None]) -> list[Candidate]:
    return [candidate(answer, score) for answer, score in pairs]


def test_the_majority_counts_answers_and_not_texts() -> None:
    some = candidates(("a", None), ("b", None), (None, None), ("b", None))
    assert majority(some) is some[1]
    assert votes(some) == {"a": 1, "b": 2}


def test_a_tie_goes_to_the_answer_that_was_drawn_first() -> None:
    some = candidates(("b", None), ("a", None), ("a", None), ("b", None))
    assert majority(some) is some[0]


def test_summed_scores_beat_one_high_score_and_best_of_n_does_not_mind() -> None:
    some = candidates(("a", 0.9), ("b", 0.5), ("b", 0.6))
    assert weighted(some) is some[2]
    assert best(some) is some[0]


def test_the_order_of_draws_matters_in_ties_alone() -> None:
    some = candidates(("a", 0.1), ("b", 0.7), ("a", 0.2), ("c", 0.4), ("a", 0.3), ("b", 0.1))
    for order in itertools.permutations(some):
        assert majority(order).answer == "a"
        assert weighted(order).answer == "b"
        assert best(order).answer == "b"


def test_without_an_answer_nothing_wins() -> None:
    some = candidates((None, 0.99), (None, 0.98), ("a", 0.01))
    assert majority(some) is weighted(some) is best(some) is some[2]
    none = candidates((None, 0.1), (None, 0.9))
    assert best(none) is none[1]
    assert weighted(none).answer is majority(none).answer is None


def test_an_unscored_candidate_counts_as_the_mean_and_never_as_zero() -> None:
    assert filled([0.2, None, 0.6]) == [0.2, 0.4, 0.6]
    assert filled([None, None]) == [1.0, 1.0]
    # a: 0.5; b: one known 0.3 and one unknown, 0.3 + 0.4 > 0.5.
    some = candidates(("a", 0.5), ("b", 0.3), ("b", None))
    assert weighted(some) is some[1]
    assert best(some) is some[0]


def test_best_of_n_is_the_vote_when_nothing_is_scored() -> None:
    some = candidates(("a", None), ("b", None), ("b", None))
    assert best(some) is majority(some) is weighted(some) is some[1]


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc") | st.none(), min_size=1, max_size=20), st.floats(0.01, 1.0))
def test_equal_scores_make_the_weighted_vote_the_majority(answers: list[str | None], score: float) -> None:
    some = [candidate(a, score) for a in answers]
    assert weighted(some).answer == majority(some).answer


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(0, 6))
def test_a_vote_is_decided_only_if_no_further_votes_can_change_it(answers: list[str], more: int) -> None:
    some = [candidate(a) for a in answers]
    if not decided(some, more):
        return
    winner = majority(some).answer
    for challenger in "abcd":
        assert majority([*some, *[candidate(challenger)] * more]).answer == winner


def test_a_lead_of_more_than_the_draws_left_decides() -> None:
    some = candidates(("a", None), ("a", None), ("a", None), ("b", None))
    assert decided(some, 1)
    assert not decided(some, 2)
    assert not decided([], 0)
