"""The noise dial keeps its rates, its memory of answers, and out of the way of failures; the ceiling follows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ponder.protocols import Price
from ponder.types import Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from ponder.verifiers.noise import Noise, NoisyGrade, NoisyJudge, noisy, simulate


def problem(name: str = "p", answer: str = "7") -> Problem:
    return Problem(Question(name, "sums", "3+4?"), Key(answer))


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [
        Verdict(failure="timeout") if r == "slow" else Verdict(outcome=float(r == p.key.answer), extracted=r)
        for p, r in zip(problems, responses, strict=True)
    ]


def many(noise: Noise, response: str, n: int = 4000) -> float:
    problems = [problem(f"p{i}") for i in range(n)]
    return sum(v.outcome or 0.0 for v in NoisyGrade(grade, noise)(problems, [response] * n)) / n


def test_rates_are_the_stated_ones() -> None:
    # Standard error of 4,000 draws at 0.3 is 0.0072; 0.03 is over four of them (chance below 1 in 10,000).
    noise = Noise(false_accept=0.3, false_reject=0.1)
    assert many(noise, "8") == pytest.approx(0.3, abs=0.03)
    assert many(noise, "7") == pytest.approx(0.9, abs=0.03)


def test_the_same_answer_always_gets_the_same_verdict() -> None:
    dial = NoisyGrade(grade, Noise(0.5, 0.5))
    first = [dial([problem(f"p{i}")], ["8"])[0].outcome for i in range(60)]
    again = [dial([problem(f"p{i}")], [" 8 "])[0].outcome for i in range(60)]
    assert first == again and set(first) == {0.0, 1.0}


def test_per_call_the_same_answer_is_drawn_anew_and_the_same_stream_repeats() -> None:
    def verdicts(stream: int) -> list[float | None]:
        dial = NoisyGrade(grade, Noise(0.5, 0.5, "call"), stream=stream)
        return [v.outcome for v in dial([problem()] * 64, ["8"] * 64)]

    assert set(verdicts(1)) == {0.0, 1.0}
    assert verdicts(1) == verdicts(1) != verdicts(2)


def test_a_verdict_turned_at_a_low_rate_is_turned_at_a_higher_one() -> None:
    low, high = Noise(0.1, 0.1), Noise(0.2, 0.2)
    turned = [i for i in range(500) if low.turns(True, i)]
    assert turned and all(high.turns(True, i) for i in turned)


def test_a_failure_stays_a_failure_and_a_silent_dial_is_no_dial() -> None:
    assert NoisyGrade(grade, Noise(1.0, 1.0))([problem()], ["slow"])[0].failure == "timeout"
    assert noisy(grade, Noise()) is grade
    assert noisy(grade, Noise(1.0, 1.0))([problem()] * 2, ["7", "8"])[0].outcome == 0.0


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_to_1_is_refused_by_name(rate: float) -> None:
    with pytest.raises(PonderError, match="false_accept"):
        Noise(false_accept=rate)


def test_a_judge_behind_the_dial_turns_its_scores_and_keeps_its_costs() -> None:
    class Sure:
        def price(self, question: Question) -> Price:
            return Price(question=4.0, token=2.0, verdict=3.0)

        def extra(self, trajectory: Trajectory) -> float:
            return 3.0

        async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
            return [Verdict(score=0.9, step_scores=(0.8, 0.9)) for _ in trajectories]

    trajectory = Trajectory(problem().question, Step((1,), (0.0,), "7", 0, StopReason.END))
    dial = NoisyJudge(Sure(), Noise(false_reject=1.0))
    verdict = asyncio.run(dial(problem().question, [trajectory]))[0]
    assert verdict.score == pytest.approx(0.1) and verdict.step_scores == pytest.approx((0.2, 0.1))
    assert (dial.price(problem().question), dial.extra(trajectory)) == (Price(4.0, 2.0, 3.0), 3.0)


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [(0.715, (58.7, 68.4, 69.8, 69.8)), (0.8, (None, None, None, 78.7)), (0.95, (None, None, None, 94.6))],
)
def test_the_simulator_reproduces_the_ceiling(accuracy: float, expected: tuple[float | None, ...]) -> None:
    # 100,000 trials: a standard error of 0.16 points; 0.7 is over four of them.
    noise = Noise(1 - accuracy, 1 - accuracy)
    for n, value in zip((2, 5, 10, 20), expected, strict=True):
        if value is not None:
            assert 100 * simulate(noise, 0.48, n, trials=100_000, seed=n) == pytest.approx(value, abs=0.7)


def test_a_verifier_right_in_70_percent_caps_a_30_percent_policy_at_half() -> None:
    # 0.3 * 0.7 / (0.3 * 0.7 + 0.7 * 0.3) = 1/2
    assert simulate(Noise(0.3, 0.3), 0.3, 64, trials=100_000, seed=0) == pytest.approx(0.5, abs=0.007)
