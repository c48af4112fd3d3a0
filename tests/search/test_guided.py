"""Lookahead, particles, planning by pace, early stops and efforts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.search.planner.efforts import budget_of
from ponder.search.session.budget import Budget
from ponder.search.strategies.beam import Beam
from ponder.search.strategies.best_of_n import BestOfN
from ponder.search.strategies.dvts import DVTS
from ponder.search.strategies.lookahead import Lookahead
from ponder.search.strategies.particles import Particle, Particles, _resampled
from ponder.search.strategies.weighted_vote import WeightedVote
from ponder.types import PonderError, SearchResult
from tests.search.toys import QUESTION, TARGET, Digits, Scores, digits_of, run, texts, truth

LIMITS: Any = {"max_tokens": 40, "answer_reserve": 6}
STEPS: Any = {**LIMITS, "step_tokens": 8}


def search(strategy: Any, budget: float = 2000, seed: int = 0, propose: Any = None, judge: Any = None) -> SearchResult:
    result: SearchResult = run(strategy(QUESTION, propose or Digits(), judge or Scores(), Budget(budget), seed=seed))
    return result


@pytest.mark.parametrize("budget", [60, 200, 700, 3000])
def test_a_lookahead_of_no_steps_is_a_beam_call_for_call(budget: float) -> None:
    one, other = Digits(ramble=0.3), Digits(ramble=0.3)
    ahead, beam = search(Lookahead(**STEPS, ahead=0), budget, 2, one), search(Beam(**STEPS), budget, 2, other)
    assert one.calls == other.calls
    assert (texts(ahead), ahead.scores, ahead.usage) == (texts(beam), beam.scores, beam.usage)


def test_a_lookahead_judges_where_a_leaf_leads_and_throws_the_roll_away() -> None:
    lengths: list[int] = []

    def watch(t: Any) -> float:
        lengths.append(len(digits_of(t)))
        return truth(t)

    strategy = Lookahead(**STEPS, n_max=4, width=4, expand=2, ahead=2)
    result = search(strategy, judge=Scores(watch))
    assert lengths[:4] == [3, 3, 3, 3], "one digit drawn, two looked at"
    assert all(len(t) == 15 for t in result.trajectories)


def test_constant_weights_keep_every_particle_once() -> None:
    some = [Particle(None, 0.5) for _ in range(7)]
    drawn = _resampled(some, random.Random(0))
    assert all(a is b for a, b in zip(drawn, some, strict=True))


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=12), st.integers(0, 99))
def test_systematic_resampling_draws_each_its_share_rounded_up_or_down(weights: list[float], seed: int) -> None:
    some = [Particle(None, None, w) for w in weights]
    drawn = _resampled(some, random.Random(seed))
    assert len(drawn) == len(some)
    for particle in some:
        share = particle.weight / sum(weights) * len(some)
        assert share - 1 - 1e-6 < sum(p is particle for p in drawn) < share + 1 + 1e-6


def test_with_a_constant_verifier_particles_are_plain_samples() -> None:
    flat, source = Scores(lambda _: 0.5), Digits(base=2, depth=2)
    result = search(Particles(**STEPS, n_max=8), judge=flat, propose=source)
    assert len({t.steps[0] for t in result.trajectories}) == 8, "no particle was lost or doubled"
    answers = [search(Particles(**STEPS, n_max=1, width=2), 300, s, source, flat).answer for s in range(100)]
    # One in four, by symmetry: 25 of 100, standard deviation 4.3.
    assert 8 <= answers.count("11") <= 42


def test_particles_follow_an_exact_value_to_the_right_answer() -> None:
    right = sum(search(Particles(**STEPS, n_max=24, width=24), 4000, s).answer == TARGET for s in range(6))
    # 24 draws at one in five hold a right step with 99.5 %; four in a row.
    assert right == 6


def test_the_weight_of_a_value_is_its_gain_over_its_parents_and_of_a_score_its_odds() -> None:
    value, score = Particles(), Particles(weights="score")
    assert value._weight(0.6, 0.3) == pytest.approx(2)
    assert value._weight(0.6, None) == pytest.approx(0.6)
    assert score._weight(0.75, 0.3) == pytest.approx(3)


def test_one_subtree_is_the_best_of_m_at_every_step() -> None:
    for seed in range(5):
        propose = Digits()
        result = search(DVTS(**STEPS, width=4, expand=4, n_max=4), 1000, seed, propose=propose)
        assert propose.calls[0][:2] == ("step", 4)
        first = {t.steps[0] for t in result.trajectories}
        assert len(first) == 1, "one step was kept and all went on from it"


def test_a_budget_that_is_tight_at_worst_is_searched_by_the_pace_of_a_scout() -> None:
    roomy: Any = {"max_tokens": 400, "answer_reserve": 6, "step_tokens": 32, "width": 8}
    by_pace, at_worst = Digits(), Digits()
    found = search(Beam(**roomy), 700, propose=by_pace)
    search(Beam(**roomy, planning="worst"), 700, propose=at_worst)
    assert by_pace.calls[0][:2] == ("end", 1) and "step" in {until for until, *_ in by_pace.calls}
    assert "step" not in {until for until, *_ in at_worst.calls}
    assert found.usage.spent <= 700


def test_a_stride_judges_every_second_step() -> None:
    every, second = Scores(), Scores()
    wide: Any = {**STEPS, "n_max": 8, "width": 8}
    search(Beam(**wide), judge=every)
    search(Beam(**wide, stride=2), judge=second)
    assert (len(every.asked), len(second.asked)) == (5, 3)


@pytest.mark.parametrize("kind", [BestOfN, WeightedVote])
def test_a_sure_verifier_stops_the_drawing_and_an_unsure_one_does_not(kind: Any) -> None:
    source = Digits(base=2, depth=1)
    sure = search(kind(**LIMITS, n_max=40, stop_every=4), 9000, propose=source, judge=Scores(lambda _: 0.97))
    unsure = search(kind(**LIMITS, n_max=40, stop_every=4), 9000, propose=source, judge=Scores(lambda _: 0.9))
    assert (len(sure.trajectories), len(unsure.trajectories)) == (4, 40)


def test_efforts_are_multiples_of_an_answer_and_numbers_are_budgets() -> None:
    assert [budget_of(e, max_tokens=400) for e in ("low", "medium", "High")] == [400, 1600, 6400]
    assert [budget_of(e, max_tokens=400) for e in (2048, "2048", 0.5)] == [2048, 2048, 0.5]


@pytest.mark.parametrize("effort", ["extreme", "", 0, -3, "nan", float("inf"), True])
def test_an_effort_that_is_none_is_refused_with_those_there_are(effort: Any) -> None:
    with pytest.raises(PonderError, match="give low, medium, high, or a positive number of token-equivalents"):
        budget_of(effort, max_tokens=400)
