"""The audit on verifiers whose faults are known: rates, ceiling, forecast, over-optimisation, the sentence."""

from __future__ import annotations

import math
import random
from itertools import combinations
from typing import Any

import pytest

from ponder.evaluation.audit.audit import audit
from ponder.evaluation.audit.curves import Sampled, accept_reject, chosen, unaided, weighted_vote
from ponder.evaluation.audit.forecast import fit, forecast, halves, redrawn
from ponder.evaluation.audit.over_optimisation import distance, fitted, pressure
from ponder.evaluation.audit.summary import at_equal_spend, worth
from ponder.evaluation.metrics import accepted_at_n, majority_at_k, verifier_ceiling
from ponder.types import PonderError


def sampled(problem: str, outcome: float, score: float, answer: str = "a", tokens: int = 10) -> Sampled:
    return Sampled(problem, "f", 1, outcome, score, answer, tokens, 2.0)


def world(problems: int = 60, samples: int = 12, gap: float = 2.0, seed: int = 0, heavy: bool = False) -> list[Any]:
    """Problems of many solve rates; log-odds are a problem's level, a gap for right ones, and noise."""
    rng = random.Random(seed)
    pools = []
    for p in range(problems):
        rate, level = rng.random(), rng.gauss(0, 1)
        pool = []
        for _ in range(samples):
            right = rng.random() < rate
            # One wrong answer in 30 looks far better than any right one, if errors are heavy-tailed.
            lucky = 12.0 if heavy and not right and rng.random() < 1 / 30 else 0.0
            z = level + gap * right + rng.gauss(0, 1) + lucky
            answer = "right" if right else f"wrong {rng.randint(0, 3)}"
            score = 1 / (1 + math.exp(-z))
            pool.append(Sampled(f"p{p}", "f", 1, float(right), score, answer, rng.randint(5, 50), 2.0))
        pools.append(pool)
    return pools


def test_accepting_is_the_mean_over_all_subsets() -> None:
    scores, outcomes = [0.9, 0.2, 0.7, 0.1], [1.0, 1.0, 1.0, 0.0]
    values = []
    for some in combinations(range(4), 2):
        accepted = [outcomes[i] for i in some if scores[i] >= 0.5]
        among = accepted or [outcomes[i] for i in some]
        values.append(sum(among) / len(among))
    # All pairs but {1,3} hold an accepted one, and those are right; {1,3} is right half the time: 5.5 of 6.
    assert sum(values) / 6 == pytest.approx(5.5 / 6)
    assert accept_reject(scores, outcomes, 2, 0.5) == pytest.approx(5.5 / 6)


def test_accepting_follows_the_closed_form_when_verdicts_are_independent() -> None:
    rng = random.Random(1)
    right = [rng.random() < 0.48 for _ in range(4000)]
    scores = [float(rng.random() < (0.8 if y else 0.2)) for y in right]
    found = accept_reject(scores, [float(y) for y in right], 10, 0.5)
    assert found == pytest.approx(accepted_at_n(0.48, 0.8, 0.2, 10), abs=0.03)  # 4,000 samples: two in a hundred


def test_a_weighted_vote_with_equal_scores_is_the_majority_vote() -> None:
    pool = [sampled("p", float(a == "x"), 0.5, a) for a in "xxxyyz"]
    exact = majority_at_k([s.answer for s in pool], [s.outcome for s in pool], 3)
    assert weighted_vote(pool, [0.5] * 6, 3) == pytest.approx(exact, abs=0.1)  # 200 subsets
    assert weighted_vote(pool, [0.5] * 6, 6) == 1.0
    assert weighted_vote(pool, [0.0] * 6, 6) == pytest.approx(1 / 3)  # three answers share a vote of no weight
    assert weighted_vote([sampled("p", 0.0, 0.5, None)] * 3, [0.5] * 3, 2) == 0.0  # type: ignore[arg-type]


def test_all_choices_are_the_mean_at_one_sample() -> None:
    pool = world(1)[0]
    mean = sum(one.outcome for one in pool) / len(pool)
    found = {**chosen(pool, [one.score for one in pool], 1, 0.5), **unaided(pool, 1)}
    assert found.pop("weighted_vote") == pytest.approx(mean, abs=0.15)  # 200 subsets
    assert all(value == pytest.approx(mean) for value in found.values())


def test_a_noisy_binary_verifier_shows_its_rates_and_its_ceiling() -> None:
    rng = random.Random(2)
    pools = [
        [sampled(f"p{p}", y, float(rng.random() < (0.9 if y else 0.3))) for y in [1.0] * 10 + [0.0] * 10]
        for p in range(60)
    ]
    found = audit(pools)
    rates = found["rates"][0]
    for name, expected in (("true_accepts", 0.9), ("false_accepts", 0.3)):
        assert rates[name]["low"] <= expected <= rates[name]["high"]
    assert rates["ceiling_of_mean"] == pytest.approx(verifier_ceiling(0.5, 0.9, 0.3), abs=0.02)
    # A ratio of small counts lies above the ratio of their means (about 0.761), and 600 wrong ones have their luck.
    assert found["curves"]["accept_reject"][-1]["y"] == pytest.approx(0.76, abs=0.02)
    assert found["auc"]["y"] == pytest.approx(0.8, abs=0.03)  # 0.9 * 0.7 + (0.9 * 0.3 + 0.1 * 0.7) / 2
    assert [point["n"] for point in found["curves"]["pass"]] == found["ns"] == [1, 2, 4, 8, 16, 20]


def test_the_forecast_agrees_where_the_model_holds() -> None:
    found = forecast(world(120), [1, 2, 4, 8, 12], 0.5)
    assert found["agree"] >= found["points"] - 1  # 15 points at 95 %, not independent
    paired = [abs(point["paired"]["y"]) for row in found["curves"].values() for point in row]
    assert max(paired) < 0.08  # only scores are predicted; 60 fitted problems leave some points of luck
    assert found["gap"]["f"] == pytest.approx(2.0, abs=0.3)


def test_the_forecast_fails_where_it_must() -> None:
    """The other half has a verifier that is turned upside down: scores there are not those of the fitted half."""
    pools = world(80)
    second = {pool[0].problem for pool in halves(pools, 0)[1]}
    turned = [
        [Sampled(o.problem, o.family, 1, o.outcome, 1 - o.score, o.answer, o.tokens, o.cost) for o in pool]
        if pool[0].problem in second
        else pool
        for pool in pools
    ]
    paired = {
        name: [point["paired"]["y"] for point in row]
        for name, row in forecast(turned, [1, 4, 12], 0.5)["curves"].items()
    }
    assert abs(paired["best_of_n"][0]) < 1e-9  # at N = 1 nothing is chosen
    assert paired["best_of_n"][2] > 0.2 and paired["weighted_vote"][2] > 0.1


def test_redrawn_scores_know_only_outcomes_and_answers() -> None:
    import numpy as np

    pools = world(20)
    effects = fit(pools)
    pool = pools[3]
    blind = [Sampled(o.problem, o.family, 1, o.outcome, 0.5, o.answer, o.tokens, o.cost) for o in pool]
    drawn = [redrawn(some, effects, np.random.default_rng(0)) for some in (pool, blind)]
    assert drawn[0] == drawn[1] and all(0 < score < 1 for score in drawn[0])


def test_heavy_tailed_errors_are_over_optimised_and_gaussian_ones_are_not() -> None:
    heavy, light = pressure(world(120, 24, heavy=True)), pressure(world(120, 24))
    assert heavy is not None and light is not None
    assert heavy["falls"] and heavy["best_n"] < 24
    assert not light["falls"]


def test_the_law_of_over_optimisation_is_recovered_from_its_own_points() -> None:
    ds = [distance(n) for n in (1, 2, 4, 8, 16, 32)]
    a, b = fitted(ds, [d * (0.4 - 0.15 * d) for d in ds])
    assert [a, b] == pytest.approx([0.4, 0.15])
    assert distance(1) == 0.0 and distance(2) == pytest.approx(math.sqrt(math.log(2) - 0.5))


def halved(passed: float, picked: list[float], n: int = 1000) -> dict[str, Any]:
    """What `worth` reads, over two N: the shares given are those of the problems with value 1, in either half alike."""

    def column(share: float) -> list[float]:
        return [float(i // 2 < share * n / 2) for i in range(n)]

    flat = [column(picked[0]), column(picked[0])]
    by_name = {
        "pass": [column(picked[0]), column(passed)],
        "majority": flat,
        "best_of_n": [column(y) for y in picked],
        "weighted_vote": flat,
        "accept_reject": flat,
    }
    return {
        "ns": [1, 8],
        "curves_NP": by_name,
        "spend_P": {name: rows[-1] for name, rows in by_name.items()},
        "chooses_P": [i % 2 == 0 for i in range(n)],
    }


@pytest.mark.parametrize(
    ("passed", "picked", "limits", "samples"),
    [(0.95, [0.4, 0.5], "verifier", 8), (0.5, [0.4, 0.45], "policy", 8), (1.0, [1.0, 1.0], "neither", 1)],
)
def test_what_limits_is_the_larger_loss(passed: float, picked: list[float], limits: str, samples: int) -> None:
    found = worth(**halved(passed, picked))
    assert (found["limits"], found["samples"]) == (limits, samples)
    assert found["policy_loss"] + found["verifier_loss"] + found["accuracy"] == pytest.approx(1.0)


def test_more_samples_are_not_worth_paying_for_when_less_than_a_point_is_left() -> None:
    assert worth(**halved(0.6, [0.5, 0.505]))["samples"] == 1


def test_the_rule_is_chosen_on_one_half_and_reported_on_the_other() -> None:
    given = halved(1.0, [0.5, 0.5])
    # Best-of-N is right on every choosing problem and wrong on every other: what chose it must not be reported.
    given["curves_NP"]["best_of_n"] = [[1.0, 0.0] * 500] * 2
    given["spend_P"]["best_of_n"] = [1.0, 0.0] * 500
    found = worth(**given)
    assert (found["choice"], found["accuracy"], found["chosen_on"], found["problems"]) == ("best_of_n", 0.0, 500, 500)
    assert found["over_majority"]["y"] == pytest.approx(-0.5)


def test_a_majority_vote_is_compared_at_the_spend_of_the_rule_and_not_at_its_samples() -> None:
    # A judgement costs as much as a sample: for 4 unjudged samples, 2 can be drawn and judged.
    pool = [
        Sampled("p", "f", 1, y, score, answer, 10, 10.0)
        for y, score, answer in ((1.0, 0.9, "a"), (0.0, 0.1, "b"), (0.0, 0.2, "c"), (0.0, 0.3, "d"))
    ]
    afforded, values = at_equal_spend([pool], 4, 0.5)
    assert afforded == [2]
    assert values["best_of_n"] == [
        pytest.approx(0.5)
    ]  # the right one, which scores best, is among 2 of 4 half the time


def test_an_audit_of_three_problems_is_refused() -> None:
    with pytest.raises(PonderError, match="at least 4"):
        audit(world(3))
