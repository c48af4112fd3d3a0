"""What is measured of one set of weights: which temperature is chosen on what, and which tries are independent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ponder.api.training import measuring
from ponder.environments import Retry
from ponder.evaluation.pools.pool import Live
from ponder.evaluation.suite import Scores, build_suite
from ponder.selfplay import measure
from ponder.selfplay.config import Evaluation
from ponder.types import Problem, Verdict
from tests.api.test_eval_episodes import Digits, in_turn
from tests.evaluation.toy import ToyPropose, grade, problem
from tests.rollout.test_episodes import CODEC, policy

SIZES = Evaluation(problems=40, ladder=150, pool_problems=5, unsolved_problems=6, unsolved_tries=3)


@dataclass(frozen=True)
class Toy:
    name: str = "toy"
    level: int = 1

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        return problem(f"{split} {self.level} {index} {seed}", self.name, level=self.level)

    def at_level(self, level: int) -> Toy:
        return replace(self, level=level)


def bench(seed: int = 0) -> measure.Bench:
    return measure.Bench(grade, asyncio.run, SIZES, max_tokens=40, seed=seed)


def at(temperature: float) -> ToyPropose:
    """Best at temperature 0.6, worst at 1."""
    return ToyPropose(skill=0.9 - abs(temperature - 0.6), lengths=(5,))


def measured(name: str = "base") -> tuple[dict[str, Scores], list[str]]:
    told: list[str] = []
    one = bench()
    return measure.arm(one, at, measure.suites(one, [Toy()]), name, told.append), told


def test_the_best_temperature_is_chosen_on_validation_and_shown_on_test_problems() -> None:
    found, told = measured()
    assert len(told) == measure.ARM_NOTES
    assert found["best"].temperature == 0.6
    tried = {name for name in found if name.startswith("validation ")}
    assert tried == {f"validation {t}" for t in (0, 0.3, 0.6, 0.8, 1)}
    assert found["validation 0.6"].suite.split == "validation"
    assert found["best"].suite == found["main"].suite == found["greedy"].suite
    assert found["main"].suite.split == "test"
    assert (found["main"].temperature, found["greedy"].temperature) == (1.0, 0.0)
    assert measure.ways(found) == {"sampled": found["main"], "greedy": found["greedy"], "best": found["best"]}


def test_among_equal_temperatures_the_usual_one_is_kept() -> None:
    found, _ = measured()
    same = {f"validation {t}": replace(found["validation 0.6"], temperature=t) for t in (0.0, 0.8, 1.0)}
    assert measure.best_temperature(same, 1.0) == 1.0
    assert measure.best_temperature({}, 1.0) == 1.0


def test_tries_are_enough_to_choose_by_and_to_try_afresh_and_are_drawn_apart_for_each_arm() -> None:
    (base, _), (final, _) = measured("base"), measured("final")
    assert {len(tries) for tries in base["tries"].tries_P} == {SIZES.unsolved_tries * measure.FRESH}
    assert {p.level for p in base["tries"].suite.problems} == {2}
    # The same weights: one draw shared would give the same outcomes, and trying again would be no second try.
    assert base["tries"].tries_P != final["tries"].tries_P
    assert base["main"] == final["main"]  # these are paired on purpose


def test_in_an_environment_a_try_is_an_episode_and_searches_are_over_episodes() -> None:
    """Problem i is answered rightly in turn 1 + i % 4: three turns reach three quarters, one answer a quarter."""
    propose = policy(in_turn)
    family = Digits()
    sizes = Evaluation(problems=8, ladder=8, pool_problems=8, pool_samples=3, beam_problems=2, budgets=(200, 600))

    def grade_digits(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        return [family.grade(p, r) for p, r in zip(problems, responses, strict=True)]

    one = measure.Bench(grade_digits, asyncio.run, sizes, max_tokens=400, seed=0)
    acting = replace(one, environment=Retry(turns=3))
    suite = build_suite([family], 8, split="test", seed=0)
    alone = measure.accuracy(one, propose, suite, temperature=1.0, tries=2)
    played = measure.accuracy(acting, propose, suite, temperature=1.0, tries=2)
    assert {tries: alone.tries_P.count(tries) for tries in set(alone.tries_P)} == {(1.0, 1.0): 2, (0.0, 0.0): 6}
    assert {tries: played.tries_P.count(tries) for tries in set(played.tries_P)} == {(1.0, 1.0): 6, (0.0, 0.0): 2}
    assert alone.turns is None and played.turns is not None
    assert [turn["accuracy"]["y"] for turn in played.turns["turns"]] == [0.25, 0.5, 0.75]

    live = measuring.in_environment(acting, propose, Live(propose, CODEC.decode, grade_digits), suite.problems)
    found = measure.think(acting, suite, live, ("sample", "vote"), lambda note: None)
    assert {draw.trajectory.turns for entry in found.pool.entries for draw in entry.draws} == {1, 2, 3}
    for runs in found.runs.values():
        assert sum(problem.accuracy for problem in runs[-1].problems) / 8 == 0.75
