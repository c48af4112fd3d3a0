"""Groups made by searches: what a strategy finishes under its budget, as samples to learn from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ponder.config import Strict
from ponder.config import load as load_settings
from ponder.environments import Retry
from ponder.rollout.collect import Collected, collect
from ponder.rollout.settings import AnyDraws, PlainDraws, SearchDraws
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.search.strategy import Thinking
from ponder.types import Key, PonderError, Problem, Question, SearchResult, Usage, Verdict
from tests.search.toys import TARGET, Digits, Scores

LIMITS = {"max_tokens": 40, "answer_reserve": 6}
PROBLEMS = [Problem(Question(f"toy-{i}", "toy", "Which digits?"), Key(TARGET)) for i in range(3)]


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [
        Verdict(outcome=float(r.endswith(f"</think>{p.key.answer}"))) for p, r in zip(problems, responses, strict=True)
    ]


def strategy(name: str, **params: Any) -> Thinking:
    steps = {} if name in ("vote", "sample", "revision", "critique", "mixed") else {"step_tokens": 8}
    return make(name, **{**LIMITS, **steps, **params})


def collected(name: str, budget: float, *, size: Any = None, base: int = 2, **options: Any) -> Collected:
    how = {"group_size": size, "max_tokens": 40, "seed": 3, "budget": budget, "strategy": strategy(name), **options}
    judge = how.pop("judge", Scores() if how["strategy"].needs_judge else None)
    return asyncio.run(collect(PROBLEMS, Digits(base), grade, judge=judge, **how))


@pytest.mark.parametrize("name", ["vote", "beam", "mcts"])
def test_a_group_is_all_that_the_search_finished_and_its_account_is_the_searches_own(name: str) -> None:
    groups = collected(name, 300)
    alone: list[SearchResult] = []
    for problem in PROBLEMS:
        thinking = strategy(name)(problem.question, Digits(base=2), Scores(), Budget(300), seed=3)
        alone.append(asyncio.run(thinking))
    assert [[t.tokens for t in g.trajectories] for g in groups] == [[t.tokens for t in r.trajectories] for r in alone]
    assert groups.usage == sum((r.usage for r in alone), Usage())
    assert groups.usage.kept + groups.usage.discarded + groups.usage.verifier == groups.usage.spent <= 3 * 300
    assert (groups.usage.verifier > 0) == (name != "vote")
    for group in groups:
        assert len(group.trajectories) > 1
        for trajectory, verdict in zip(group.trajectories, group.verdicts, strict=True):
            assert len(trajectory.tokens) == len(trajectory.logprobs) <= 40
            assert {p for s in trajectory.steps if not s.forced for p in s.logprobs} == {-1.0}
            assert verdict.outcome == float(trajectory.text.endswith(f"</think>{TARGET}"))


@pytest.mark.parametrize("name", ["beam", "mcts"])
def test_trajectories_of_a_tree_share_the_steps_of_their_beginning(name: str) -> None:
    groups = collected(name, 600)
    shared = 0
    for group in groups:
        steps = [step for t in group.trajectories for step in t.steps]
        shared += len(steps) - len(set(steps))
    assert shared > 0
    # Every distinct step was generated once, so the account holds at least these tokens.
    distinct = {step for group in groups for t in group.trajectories for step in t.steps}
    assert sum(len(s.tokens) for s in distinct if not s.forced) <= groups.usage.kept + groups.usage.discarded


def test_a_verifier_that_knows_makes_groups_that_are_right_more_often() -> None:
    guided, plain = collected("beam", 2000, base=5), collected("vote", 2000, base=5)
    rates = [sum(g.solve_rate or 0.0 for g in some) / len(some) for some in (guided, plain)]
    assert rates[0] > rates[1] + 0.2  # a guess is right in one of 625


def test_a_group_of_a_stated_size_is_a_choice_blind_to_the_outcome() -> None:
    whole, some = collected("vote", 600), collected("vote", 600, size=4)
    assert some.usage == whole.usage
    for group, part in zip(whole, some, strict=True):
        known = [t.tokens for t in group.trajectories]
        kept = [known.index(t.tokens) for t in part.trajectories]
        assert len(kept) == 4 < len(known) and kept == sorted(kept)
    assert [t.tokens for t in some[0].trajectories] == [
        t.tokens for t in collected("vote", 600, size=4)[0].trajectories
    ]
    assert len(collected("vote", 600, size=[4, 0, 2])) == 2


def test_forced_answers_are_marked_and_the_rest_is_the_policys_own() -> None:
    groups = collected("vote", 14, strategy=make("vote", max_tokens=14, answer_reserve=6))  # no room for four digits
    steps = [step for group in groups for t in group.trajectories for step in t.steps]
    assert [step.text for step in steps if step.forced] == ["</think>"] * 3
    assert all(step.tokens for step in steps)


def test_the_same_seed_gives_the_same_groups_and_another_one_others() -> None:
    for name in ("vote", "beam", "mcts"):
        first, again, other = (collected(name, 300, seed=seed) for seed in (1, 1, 2))
        known = [[[t.tokens for t in g.trajectories] for g in groups] for groups in (first, again, other)]
        assert known[0] == known[1] != known[2]


def test_a_verifier_that_fails_is_told_and_the_samples_are_kept() -> None:
    groups = collected("beam", 300, judge=Scores(fails_after=0))
    assert len(groups) == 3 and len(groups.degraded) == 3
    assert groups.degraded[0].startswith("toy-0: the verifier failed (the judge is gone)")


@pytest.mark.parametrize(
    ("name", "budget", "options", "sentence"),
    [
        ("vote", 13, {}, "Vote: a budget of 13 token-equivalents a problem does not hold one sample; the least is 14"),
        ("vote", -1, {}, "a budget is a positive number"),
        ("vote", None, {}, "Vote needs a budget"),
        ("beam", 300, {"judge": None}, "Beam needs a verifier to choose with"),
        ("vote", 300, {"max_tokens": 39}, "max_tokens=40 of the strategy is more than the 39 tokens"),
        ("vote", 300, {"environment": Retry(turns=2)}, "this source of samples cannot go on after an answer"),
        ("revision", 300, {}, "Revision shows the policy its own attempts"),
        ("mixed", 300, {}, "Mixed shows the policy its own attempts"),
        ("vote", 300, {"strategy": None}, "name a strategy, or give neither"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_before_anything_is_drawn(
    name: str, budget: Any, options: dict[str, Any], sentence: str
) -> None:
    digits = Digits()
    how = {"group_size": 2, "max_tokens": 40, "seed": 3, "judge": Scores(), "strategy": strategy(name), **options}
    with pytest.raises(PonderError, match=sentence.replace("(", r"\(")) as error:
        asyncio.run(collect(PROBLEMS, digits, grade, budget=budget, **how))
    assert digits.calls == [] and "\n" not in str(error.value)


def test_plain_sampling_needs_a_group_size() -> None:
    with pytest.raises(PonderError, match="without a strategy give a number"):
        asyncio.run(collect(PROBLEMS, Digits(), grade, group_size=None, max_tokens=40, seed=0))


class Config(Strict):
    """Settings of which the draws are a part."""

    draws: AnyDraws = PlainDraws()


def test_settings_name_the_strategy_and_its_budget() -> None:
    found = load_settings(Config, overrides=["draws.kind=search", "draws.strategy=beam?width=8", "draws.budget=500"])
    assert found.draws == SearchDraws(strategy="beam?width=8", budget=500)
    judge = Scores()
    assert found.draws.options(64, judge) == {
        "strategy": make("beam", width=8, max_tokens=64),
        "judge": judge,
        "budget": 500,
    }
    assert SearchDraws(strategy="vote").options(64, judge)["judge"] is None
    assert load_settings(Config).draws.options(64, judge) == {}


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("draws.strategy=vot", "did you mean 'vote'"),
        ("draws.strategy=vote?wide=3", "unknown parameter of strategy vote 'wide'"),
        ("draws.budget=0", "draws.budget must be greater than 0"),
        ("draws.temperature=1", "unknown setting draws.temperature"),
    ],
)
def test_wrong_settings_are_refused_with_their_path(override: str, sentence: str) -> None:
    with pytest.raises(PonderError) as error:
        load_settings(Config, overrides=["draws.kind=search", override])
    assert sentence.lower() in str(error.value).lower() and "draws" in str(error.value)


def test_a_budget_is_no_setting_of_plain_draws() -> None:
    with pytest.raises(PonderError, match=r"unknown setting draws\.budget"):
        load_settings(Config, overrides=["draws.kind=plain", "draws.budget=500"])
    with pytest.raises(PonderError, match="kind"):
        load_settings(Config, overrides=["draws.kind=serch"])
