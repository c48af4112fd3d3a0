"""The binary search for the first error: exact with an oracle, bounded whatever the values are."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.labels.omega import Omega, Search, omega
from ponder.labels.omega_pool import Candidate, OmegaSettings, Pool, State, curiosity, quality
from ponder.types import PonderError
from tests.rollout.scripted import Odds, group, rollouts, trajectory

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def search(odds: Odds, text: str, good: int = 0, k: int = 4) -> Search:
    leaf = trajectory(text).leaf
    prefix = leaf.path[good - 1] if good else None
    chosen = OmegaSettings(rollouts=k)
    work = Omega(rollouts(odds), chosen, Pool(chosen))
    return asyncio.run(work.search(Candidate(State(prefix, 0.5), leaf, len(text) - good)))


def oracle(error: int) -> Odds:
    """Everything can still end right before the first wrong step, and nothing after it."""
    return Odds(lambda text: 4 * (len(text) <= error))


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 16, 25])
def test_an_exact_oracle_finds_every_first_error_within_the_logarithm(steps: int) -> None:
    for error in range(steps):
        found = search(oracle(error), LETTERS[: steps - 1] + "W")
        assert found.first_error == error
        assert found.evaluations <= math.ceil(math.log2(steps)) + 1


def test_a_search_from_a_good_prefix_looks_only_behind_it() -> None:
    odds = Odds(lambda text: 4 * (len(text) <= 12))
    found = search(odds, LETTERS[:15] + "W", good=11)
    assert found.first_error == 12 and found.evaluations <= 3
    assert all(len(text) > 11 for text in odds.asked)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=25))
def test_values_that_are_not_monotone_neither_hang_nor_run_past_the_end(right: list[int]) -> None:
    found = search(Odds(lambda text: right[len(text) - 1]), LETTERS[: len(right)] + "W")
    assert found.first_error is not None and 0 <= found.first_error <= len(right)
    assert found.evaluations <= math.ceil(math.log2(len(right) + 1))
    # The step found is one where success was lost: something ended right before it and nothing after it.
    before = right[found.first_error - 1] if found.first_error else 1
    after = right[found.first_error] if found.first_error < len(right) else 0
    assert before > 0 and after == 0


def test_q_and_u_are_the_papers_numbers() -> None:
    s = OmegaSettings()
    assert quality(0.5, 500, s) == pytest.approx(0.636396, abs=1e-6)
    assert quality(0.875, 100, s) == pytest.approx(0.897883, abs=1e-6)
    assert quality(0.125, 100, s) == pytest.approx(0.533884, abs=1e-6)
    assert curiosity(16, 0, s) == 0.5 and curiosity(16, 3, s) == 0.125


def test_the_pair_with_the_highest_worth_is_taken_and_counted_and_leaves_the_pool() -> None:
    pool = Pool(OmegaSettings())
    low, high = State(None, 0.25), State(None, 0.875)
    leaf = trajectory("aW").leaf
    pool.add(low, [(leaf, 10)])
    pool.add(high, [(leaf, 10), (leaf, 400)])
    taken = [pool.take(), pool.take(), pool.take()]
    assert [(c.state, c.tokens) for c in taken if c] == [(high, 10), (high, 400), (low, 10)]
    assert (high.visits, low.visits) == (2, 1) and pool.take() is None


def test_a_state_that_was_searched_gives_way_to_one_that_was_not() -> None:
    pool = Pool(OmegaSettings(c_puct=10.0))
    low, high = State(None, 0.25), State(None, 0.875)
    leaf = trajectory("aW").leaf
    pool.add(low, [(leaf, 10)])
    pool.add(high, [(leaf, 10)] * 2)
    assert [c.state for c in (pool.take(), pool.take()) if c] == [high, low]


def test_states_where_all_or_none_ended_right_are_never_searched() -> None:
    pool = Pool(OmegaSettings())
    for value in (0.0, 1.0):
        pool.add(State(None, value), [(trajectory("aW").leaf, 2)])
    assert pool.take() is None and len(pool.states) == 2


def test_a_prefix_with_one_lucky_rollout_is_not_searched_from_if_more_are_asked_for() -> None:
    pool = Pool(OmegaSettings(least=0.25))
    leaf = trajectory("abW").leaf
    lucky, enough = State(leaf.path[0], 0.125), State(leaf.path[1], 0.25)
    pool.add(lucky, [(leaf, 2)])
    assert pool.candidates == []
    pool.add(enough, [(leaf, 1)])
    # The question is never wrong, however seldom it is solved.
    pool.add(State(None, 0.125), [(leaf, 3)])
    assert [c.tokens for c in pool.candidates] == [1, 3] and len(pool.states) == 3


@pytest.mark.parametrize("texts", [("abR", "aR"), ("abW", "aW")])
def test_a_question_that_is_always_right_or_always_wrong_is_dropped(texts: tuple[str, ...]) -> None:
    odds = Odds(lambda text: 1)
    assert asyncio.run(omega(group(*texts), rollouts(odds))) == ([], []) and not odds.asked


def test_every_prefix_seen_is_labelled_and_its_wrong_rollouts_are_searched_too() -> None:
    odds = Odds(lambda text: 2 * (len(text) <= 2))
    items, searches = asyncio.run(omega(group("abcdW", "abR"), rollouts(odds), OmegaSettings(rollouts=4)))
    assert searches[0].first_error == 2 and sorted(odds.asked) == ["ab", "abc"]
    # 1 wrong response, and 2 wrong rollouts from ab; those from abc start where nothing ends right.
    assert len(searches) == 3
    first = items[0]
    assert [(x.step, x.value, x.rollouts) for x in first.labels] == [(1, 0.5, 4), (2, 0.0, 4), (4, 0.0, 1)]
    assert [item.first_error for item in items] == [2, 2, 2, None]
    assert items[-1].outcome == 1.0


def test_the_number_of_searches_and_the_budget_are_kept() -> None:
    responses = group(*[LETTERS[i : i + 8] + "W" for i in range(6)], "aR")
    _, searches = asyncio.run(omega(responses, rollouts(Odds(lambda _: 2)), OmegaSettings(rollouts=4, searches=3)))
    assert len(searches) == 3
    desk = rollouts(Odds(lambda _: 2), budget=100, max_tokens=30)
    items, searches = asyncio.run(omega(responses, desk, OmegaSettings(rollouts=4)))
    assert searches[-1].first_error is None and desk.spent <= 100
    assert items[0].labels[-1].value == 0.0


@settings(deadline=None, max_examples=30)
@given(st.floats(1, 400), st.integers(1, 6))
def test_whatever_the_budget_it_is_not_overspent(budget: float, k: int) -> None:
    desk = rollouts(Odds(lambda text: 1), budget=budget, max_tokens=20, price=1.5)
    asyncio.run(omega(group("abcdefgW", "aR"), desk, OmegaSettings(rollouts=k)))
    assert desk.budget is not None and desk.spent == desk.budget.spent <= budget


def test_settings_out_of_range_are_refused() -> None:
    bad: dict[str, Any]
    for bad in ({"alpha": 0.0}, {"beta": 1.5}, {"length": 0.0}, {"c_puct": -1.0}, {"rollouts": 0}, {"searches": 0}):
        with pytest.raises(PonderError):
            OmegaSettings(**bad)
