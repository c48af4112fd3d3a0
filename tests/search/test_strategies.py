"""What holds for every strategy: the account, an answer, agreement with `sample` at one draw, clean endings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.protocols import Judge, Until
from ponder.search.common import together
from ponder.search.registry import STRATEGIES, make, needs_judge
from ponder.search.session.budget import Budget
from ponder.types import PonderError, Question, SearchResult, Step, StopReason, Trajectory, Verdict
from tests.search.toys import QUESTION, TARGET, Digits, Scores, View, digits_of, run, texts

NAMES = sorted(STRATEGIES)
JUDGED = [name for name in NAMES if needs_judge(name)]
LIMITS = {"max_tokens": 40, "answer_reserve": 6}
LEAST = 14  # 6 to answer and 8 to think
STEPS = {"step_tokens": 8}
STEPWISE = {"beam", "dvts", "lookahead", "particles", "mcts", "rest_mcts"}
ONE = {"sample", "forcing", "chain"}  # they draw one trajectory
IN_TURN = {*ONE, "revision", "critique", "mcts", "rest_mcts"}  # each draw waits for the one before
# What makes each strategy draw once.
ONCE: dict[str, dict[str, Any]] = {"sample": {}, "forcing": {"waits": 0}, "chain": {"waits": 0}}


def search(
    name: str, budget: float, *, seed: int = 0, propose: Any = None, judge: Judge | None = None, **params: Any
) -> SearchResult:
    steps = STEPS if name in STEPWISE else {}
    strategy = make(name, **{**LIMITS, **steps, **params})
    return run(strategy(QUESTION, propose or Digits(), judge or Scores(), Budget(budget), seed=seed))


def adds_up(result: SearchResult, limit: float) -> bool:
    usage = result.usage
    return usage.kept + usage.discarded + usage.verifier == usage.spent <= limit


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(
    budget=st.floats(LEAST, 1500),
    max_tokens=st.integers(LEAST, 90),
    ramble=st.floats(0, 0.9),
    ratio=st.floats(0, 3),
    pool=st.none() | st.integers(0, 30),
    fails_after=st.none() | st.integers(0, 4),
    rereads=st.booleans(),
    size=st.sampled_from([3, 8, 90]),
    prompt=st.integers(0, 80),
    extras=st.tuples(st.floats(0, 5), st.floats(0, 2)),
    seed=st.integers(0, 5),
)
def test_no_strategy_ever_spends_more_than_its_budget_and_every_token_is_accounted_for(
    name: str,
    budget: float,
    max_tokens: int,
    ramble: float,
    ratio: float,
    pool: int | None,
    fails_after: int | None,
    rereads: bool,
    size: int,
    prompt: int,
    extras: tuple[float, float],
    seed: int,
) -> None:
    propose = Digits(ramble=ramble, pool=pool, size=size)  # up to all that a call allows
    verdict, step = extras
    judge = Scores(ratio=ratio, prompt=prompt, fails_after=fails_after, rereads=rereads, verdict=verdict, step=step)
    result = search(name, budget, seed=seed, propose=propose, judge=judge, max_tokens=max_tokens)
    assert adds_up(result, budget)
    assert name == "chain" or all(len(t) <= max_tokens for t in result.trajectories)
    if result.trajectory is not None:
        assert result.usage.kept == len(result.trajectory)
        assert result.trajectory in result.trajectories
    if needs_judge(name):
        assert len(result.scores) == len(result.trajectories)
    if pool is None and size < 6:  # the answer is a step too, after the forced close
        assert result.answer is not None, "an endless source and the least budget are enough for an answer"


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_budget_gives_an_answer_and_one_token_less_an_error_that_says_what_to_do(name: str) -> None:
    assert search(name, LEAST).answer is not None
    with pytest.raises(PonderError, match=r"budget of 13 .* least is 14 .* raise the budget or lower answer_reserve"):
        search(name, LEAST - 1)


@pytest.mark.parametrize("name", NAMES)
def test_one_draw_is_the_same_as_sample_and_asks_no_judge(name: str) -> None:
    one = ONCE.get(name, {"n_max": 1})
    judge = Scores()
    for seed in range(5):
        plain, other = search("sample", 900, seed=seed), search(name, 900, seed=seed, judge=judge, **one)
        assert (other.answer, texts(other), other.usage) == (plain.answer, texts(plain), plain.usage)
    assert judge.asked == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_search_and_another_seed_another(name: str) -> None:
    first, again, other = (search(name, 400, seed=s) for s in (1, 1, 2))
    assert texts(first) == texts(again)
    assert first.usage == again.usage
    assert texts(first) != texts(other)


@pytest.mark.parametrize("name", NAMES)
def test_an_exhausted_source_ends_cleanly_with_what_it_gave(name: str) -> None:
    assert search(name, 900, propose=Digits(pool=1)).trajectories
    nothing = search(name, 900, propose=Digits(pool=0))
    assert (nothing.answer, nothing.trajectory, nothing.trajectories, nothing.usage.spent) == (None, None, (), 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_trajectory_that_rambles_is_made_to_answer(name: str) -> None:
    result = search(name, 700, propose=Digits(ramble=1.0))
    assert result.answer == "?"
    assert all(t.steps[-2].forced for t in result.trajectories)
    assert name == "chain" or all(len(t) <= 40 for t in result.trajectories)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in IN_TURN])
def test_calls_are_batched_not_made_one_by_one(name: str) -> None:
    propose, judge = Digits(), Scores()
    result = search(name, 3000, propose=propose, judge=judge)
    assert propose.most_at_once >= 4
    assert sum(judge.asked) >= 5 * len(judge.asked)
    assert result.usage.calls == len(propose.calls) + len(judge.asked)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_calls_share_a_seed(name: str) -> None:
    propose = Digits(ramble=0.5)
    search(name, 2000, propose=propose)
    seeds = [seed for *_, seed in propose.calls]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ONE])
def test_a_larger_budget_buys_more_candidates_up_to_n_max(name: str) -> None:
    few, many = search(name, 500), search(name, 3000)
    assert 1 <= len(few.trajectories) < len(many.trajectories)
    assert len(search(name, 3000, n_max=5).trajectories) == 5


@pytest.mark.parametrize("name", JUDGED)
def test_a_judge_that_raises_leaves_a_vote_and_scores_that_say_so(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = search(name, 900, propose=Digits(base=2, depth=2), judge=Scores(fails_after=0))
    answers = [t.text.split("</think>")[1] for t in result.trajectories]
    assert answers.count(str(result.answer)) == max(map(answers.count, answers))
    assert len(answers) > 4
    assert set(result.scores) == {None}
    assert "the judge failed, voting goes on without it: the judge is gone" in caplog.text


@pytest.mark.parametrize("name", JUDGED)
def test_typed_failures_and_scores_that_are_no_numbers_are_not_scored_and_never_zero(name: str) -> None:
    def failure(_: Trajectory) -> None: ...

    def undefined(_: Trajectory) -> float:
        return float("nan")

    for value in (failure, undefined):
        result = search(name, 900, propose=Digits(base=2, depth=2), judge=Scores(value))
        answers = [t.text.split("</think>")[1] for t in result.trajectories]
        assert answers.count(str(result.answer)) == max(map(answers.count, answers))
        assert set(result.scores) == {None}


@pytest.mark.parametrize("name", JUDGED)
def test_a_judge_that_answers_for_too_few_counts_as_failed(name: str) -> None:
    class Short(Scores):
        async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
            return []

    assert set(search(name, 900, judge=Short()).scores) == {None}


@pytest.mark.parametrize("name", JUDGED)
def test_a_strategy_that_needs_a_verifier_says_so(name: str) -> None:
    with pytest.raises(PonderError, match="needs a verifier"):
        run(make(name)(QUESTION, Digits(), None, Budget(5000), seed=0))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in JUDGED])
def test_a_strategy_without_a_verifier_runs_without_one_and_pays_none(name: str) -> None:
    result = run(make(name, **LIMITS)(QUESTION, Digits(), None, Budget(500), seed=0))
    assert result.usage.verifier == 0
    assert result.scores == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_full_context_window_ends_a_trajectory_without_an_endless_loop(name: str) -> None:
    class Full(Digits):
        async def __call__(
            self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
        ) -> list[Step]:
            if until == "answer":
                return []
            assert prefix is None, "nothing fits behind a full context window"
            await asyncio.sleep(0)
            return [Step((1, 2), (0.0, 0.0), "x", 0, StopReason.CONTEXT, prefix) for _ in range(n)]

    result = search(name, 300, propose=Full())
    assert result.answer is None
    assert result.trajectory is not None
    assert adds_up(result, 300)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_adds_nothing_cannot_keep_a_search_going(name: str) -> None:
    class Mute(Digits):
        async def __call__(
            self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
        ) -> list[Step]:
            self.calls.append((until, n, max_tokens, seed))
            assert len(self.calls) < 500
            return [Step((), (), "", 0, StopReason.STEP, prefix) for _ in range(n)]

    params = ONCE.get(name, {"n_max": 8})
    result = search(name, 300, propose=Mute(), judge=Scores(ratio=0), **params)
    assert result.answer is None
    requests = 7 * View.REQUEST if name in ("revision", "critique", "mixed") else 0
    assert result.usage.kept == 0
    assert result.usage.discarded <= requests


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_error_comes_through_as_itself(name: str) -> None:
    class Broken(Digits):
        async def __call__(
            self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
        ) -> list[Step]:
            if self.calls:
                raise PonderError("the engine stopped")
            leaves = await super().__call__(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)
            return [replace(leaf, stop=StopReason.LENGTH) for leaf in leaves]

    with pytest.raises(PonderError, match="the engine stopped"):
        search(name, 900, propose=Broken())


def test_together_cancels_the_others_when_one_fails() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def bad() -> None:
        await asyncio.sleep(0)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        run(together([slow(), bad(), slow()]))
    assert ended == ["cancelled", "cancelled"]


def test_the_oracle_solves_where_the_vote_does_not() -> None:
    right = dict.fromkeys(("vote", "best_of_n", "beam", "dvts"), 0)
    for seed in range(10):
        for name in right:
            right[name] += search(name, 2000, seed=seed, propose=Digits(base=5)).answer == TARGET
    # One draw in 625 is right. The budget buys 133 of them (19 % of searches hold a right one, which one vote cannot
    # make the majority) or 68 judged ones (10 %). Sixteen leaves hold a right step with 97 %, four steps in a row with
    # 89 %: 9 of 10, standard deviation 1. A subtree's four leaves do with 59 %, four times with 12 %, and two searches
    # of four subtrees with 64 %: 6 of 10, standard deviation 1.5.
    assert right["vote"] <= 4
    assert right["best_of_n"] <= 4
    assert right["beam"] >= 7
    assert right["dvts"] >= 3


def test_hundreds_of_searches_run_on_one_loop_and_do_not_meet() -> None:
    async def many() -> list[SearchResult]:
        strategy = make("beam", **LIMITS, **STEPS, width=4)
        return await asyncio.gather(
            *(strategy(QUESTION, Digits(), Scores(), Budget(500), seed=s % 3) for s in range(100))
        )

    results = run(many())
    assert [texts(r) for r in results[3:6]] == [texts(r) for r in results[:3]]
    assert all(digits_of(r.trajectories[0]) for r in results)
