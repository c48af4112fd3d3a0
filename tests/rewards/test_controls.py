"""Rewards that know nothing of the key: a coin, and the vote of the group."""

from __future__ import annotations

from ponder.rewards.component import Graded
from ponder.rewards.majority import Majority
from ponder.rewards.random import Random
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict

QUESTION = Question("q", "sums", "1+1?")


def group(*answers: str | None, truth: str = "2", name: str = "q") -> Graded:
    """Answers as a grader read them; None: it read none."""
    question = Question(name, "sums", "1+1?")
    some = tuple(
        Trajectory(question, Step((5, i), (-1.0, -1.0), f"so </think> {a or ''}", 1, StopReason.END))
        for i, a in enumerate(answers)
    )
    verdicts = tuple(Verdict(outcome=float(a == truth), extracted=a) for a in answers)
    outcomes = tuple(v.outcome or 0.0 for v in verdicts)
    return Graded(Group(Problem(question, Key(truth)), some, verdicts), some, outcomes)


def test_the_vote_pays_those_who_gave_the_commonest_answer_right_or_wrong() -> None:
    assert list(Majority().pay(group("3", "2", "3", "3"))) == [1.0, 0.0, 1.0, 1.0]
    assert list(Majority().pay(group("2", "2", "3"))) == [1.0, 1.0, 0.0]


def test_the_mean_of_the_vote_is_the_share_of_the_commonest_answer() -> None:
    paid = Majority().pay(group("3", "2", "3", "4", "3"))
    assert sum(paid) / 5 == 3 / 5


def test_answers_without_text_have_no_vote_and_different_ones_pay_nothing() -> None:
    assert list(Majority().pay(group(None, None, "2"))) == [0.0, 0.0, 0.0]
    assert list(Majority().pay(group("1", "2", "3"))) == [0.0, 0.0, 0.0]
    assert list(Majority(votes=3).pay(group("2", "2", "3"))) == [0.0, 0.0, 0.0]


def test_white_space_and_case_do_not_split_a_vote() -> None:
    assert list(Majority().pay(group("a B", "ab", "c"))) == [1.0, 1.0, 0.0]


def test_a_trajectory_whose_grader_shows_nothing_is_read_behind_its_thinking() -> None:
    some = tuple(
        Trajectory(QUESTION, Step((5, i), (-1.0, -1.0), text, 1, StopReason.END))
        for i, text in enumerate(["a </think> 7", "b </think> 7", "c 7"])
    )
    verdicts = tuple(Verdict(outcome=0.0) for _ in some)
    graded = Graded(Group(Problem(QUESTION, Key("2")), some, verdicts), some, (0.0, 0.0, 0.0))
    assert list(Majority().pay(graded)) == [1.0, 1.0, 0.0]


def test_the_coin_falls_as_often_as_it_should_and_knows_nothing_of_the_outcome() -> None:
    wrong = [x for i in range(200) for x in Random(chance=0.25).pay(group("1", "1", name=f"w{i}"))]
    right = [x for i in range(200) for x in Random(chance=0.25).pay(group("2", "2", name=f"w{i}"))]
    assert abs(sum(wrong) / 400 - 0.25) < 0.07
    assert wrong == right  # the same tokens and places: only the outcome differs


def test_the_coin_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    some = [group("1", "2", "3", name=f"p{i}") for i in range(20)]
    first, again, other = ([x for g in some for x in Random(seed=s).pay(g)] for s in (0, 0, 1))
    assert first == again != other
    assert set(Random(chance=0.0).pay(some[0])) == {0.0} and set(Random(chance=1.0).pay(some[0])) == {1.0}
