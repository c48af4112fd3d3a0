"""Episodes of several turns, on an engine that follows a script and the embedded model's tokenizer.

The layout of a trajectory of two turns, with what is learned from (1) and what is only read (0):

    a NL </think> 3 EOS | <user> This answer is wrong ... <assistant> <think> NL | b NL </think> 2 EOS
    1 1     1     1  1  |    0    0 0 0 ...                   0          0     0 | 1 1     1     1  1
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ponder.engines.scripted import Script, ScriptedEngine
from ponder.environments import Retry, SingleTurn
from ponder.environments.retry import WRONG
from ponder.learning.samples import mask
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Check, Environment
from ponder.rollout.collect import Collected, collect
from ponder.rollout.episodes import Episodes
from ponder.rollout.grading import Grading
from ponder.thinking import final_answer
from ponder.types import EngineError, Key, PonderError, Problem, Question, StopReason, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer
from tests.rollout.test_grading import Policy

CODEC = Codec(load("tiny").tokenizer)
PROBLEM = Problem(Question("q", "toy", "Compute 1+1."), Key("2"))
FIRST, LATER = "Compute 1+1.<assistant><think>\n", "answer again.<assistant><think>\n"
SCRIPT: Script = {FIRST: [("a\n</think>3", 0.25), ("a\n</think>4", 0.75)], LATER: [("b\n</think>2", 0.5), ("x", 0.5)]}


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    """Right if the key stands after the thinking; "?" cannot be judged."""
    answers = [final_answer(r) for r in responses]
    pairs = zip(problems, answers, strict=True)
    return [
        Verdict(failure="timeout") if a == "?" else Verdict(outcome=float(a == p.key.answer), detail=f"got {a}.")
        for p, a in pairs
    ]


def policy(script: Script, **options: Any) -> PolicyPropose:
    return PolicyPropose(ScriptedEngine(CODEC, script, version=5, **options), CODEC, canonical_answer)


def played(
    script: Script, environment: Environment | None = None, *, n: int = 1, max_tokens: int = 200, **options: Any
) -> Collected:
    coroutine = collect(
        [PROBLEM],
        policy(script, **options),
        grade,
        group_size=n,
        max_tokens=max_tokens,
        seed=0,
        environment=environment,
    )
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def said(*texts: str) -> Callable[[str, Any], str]:
    """A script whose k-th turn of the model is `texts[k]`."""
    return lambda prompt, rng: texts[prompt.count("<assistant>") - 1]


def only(groups: Collected) -> tuple[Trajectory, Verdict]:
    [group] = groups
    [trajectory], [verdict] = group.trajectories, group.verdicts
    return trajectory, verdict


def test_a_trajectory_of_two_turns_holds_what_was_sampled_and_what_was_read_token_by_token() -> None:
    # 1 is likely to be drawn in one of 12 members: 3 first, then 2.
    groups = played(SCRIPT, Retry(turns=2), n=12)
    trajectories = [t for t in groups[0].trajectories if "3" in t.text and t.response == "b\n</think>2"]
    one = trajectories[0]
    first, last = (*CODEC.encode("a\n</think>3"), CODEC.eos_id), (*CODEC.encode("b\n</think>2"), CODEC.eos_id)
    frame = CODEC.encode("<user>"), CODEC.encode_plain(WRONG.format(why="")), CODEC.encode("<assistant><think>\n")
    read = tuple(token for part in frame for token in part)
    assert one.tokens == first + read + last
    assert mask(one) == (1.0,) * len(first) + (0.0,) * len(read) + (1.0,) * len(last)
    assert [step.is_observation for step in one.steps] == [False, False, True, False, False]
    # The sampler's own log-probabilities: 1/4 for the first answer, 1/2 for the second, 0 for what was read.
    assert math.isclose(sum(one.logprobs[: len(first)]), math.log(0.25))
    assert one.logprobs[len(first) : len(first) + len(read)] == (0.0,) * len(read)
    assert math.isclose(sum(one.logprobs[-len(last) :]), math.log(0.5))
    assert {step.version for step in one.steps} == {5}
    assert one.text == f"a\n</think>3<user>{WRONG.format(why='')}<assistant><think>\nb\n</think>2"


def test_a_later_turn_is_drawn_after_the_very_tokens_of_the_earlier_ones() -> None:
    propose = policy(said("a\n</think>3", "b\n</think>2"))
    groups = asyncio.run(
        collect([PROBLEM], propose, grade, group_size=1, max_tokens=200, seed=0, environment=Retry(turns=3))
    )
    trajectory, verdict = only(groups)
    engine = propose.engine
    assert isinstance(engine, ScriptedEngine)
    assert len(engine.calls) == 2  # right at the second try: the third turn is not drawn
    prompt = propose.prompts.tokens(PROBLEM.question)
    observed = next(i for i, step in enumerate(trajectory.steps) if step.is_observation)
    before = tuple(token for step in trajectory.steps[: observed + 1] for token in step.tokens)
    assert engine.calls[0].prompt == prompt
    assert engine.calls[1].prompt == prompt + before
    assert engine.calls[1].max_tokens == 200 - len(before)
    assert verdict.outcome == 1.0
    assert groups.usage.kept == len(trajectory) == groups.usage.spent
    assert groups.usage.calls == 2


def test_one_turn_is_what_plain_sampling_gives_bit_for_bit() -> None:
    propose = policy(SCRIPT)
    direct = asyncio.run(propose(PROBLEM.question, None, 6, until="end", max_tokens=200, seed=0))
    for environment in (None, SingleTurn(), Retry(turns=1)):
        [group] = played(SCRIPT, environment, n=6)
        assert [t.tokens for t in group.trajectories] == [Trajectory(PROBLEM.question, leaf).tokens for leaf in direct]
        assert [t.logprobs for t in group.trajectories] == [
            Trajectory(PROBLEM.question, leaf).logprobs for leaf in direct
        ]
    several = played(SCRIPT, Retry(turns=3), n=6)[0].trajectories
    assert [t.steps[1].tokens for t in several] == [leaf.tokens for leaf in direct]  # the first turns are the same


def test_members_of_a_group_go_on_differently_and_the_seed_fixes_how() -> None:
    def script(prompt: str, rng: random.Random) -> str:
        return f"{rng.random()}"

    once, again = (played(script, Retry(turns=3), n=4)[0].trajectories for _ in range(2))
    assert [t.tokens for t in once] == [t.tokens for t in again]
    assert len({t.response for t in once}) == 4


def test_detail_is_told_where_it_is_asked_for_and_the_key_never() -> None:
    for feedback, why in (("outcome", ""), ("detail", ": got 3")):
        trajectory, _ = only(played(said("</think>3", "</think>4"), Retry(turns=2, feedback=feedback)))  # type: ignore[arg-type]
        [observation] = [step for step in trajectory.steps if step.is_observation]
        assert f"This answer is wrong{why}. Find" in observation.text
        assert "2" not in observation.text


def test_control_words_in_an_observation_stay_plain_text() -> None:
    observation = policy(SCRIPT).observe(PROBLEM.question, only(played(said("</think>3")))[0].leaf, "</think>2<eos>")
    close, eos = CODEC.encode("</think>")[0], CODEC.eos_id
    assert close not in observation.tokens and eos not in observation.tokens


def test_an_answer_that_cannot_be_checked_ends_the_episode_with_that_failure() -> None:
    trajectory, verdict = only(played(said("</think>?", "</think>2"), Retry(turns=3)))
    assert (verdict.outcome, verdict.failure) == (None, "timeout")
    assert trajectory.text == "</think>?"


def test_the_last_answer_decides_and_the_turns_are_counted() -> None:
    trajectory, verdict = only(played(said("</think>3", "</think>4", "</think>5", "</think>2"), Retry(turns=3)))
    assert trajectory.response == "</think>5" and verdict.outcome == 0.0
    assert sum(step.is_observation for step in trajectory.steps) == 2


def test_a_turn_that_is_cut_ends_the_episode_and_what_fits_no_more_is_not_said() -> None:
    long, length = "1" * 30 + "</think>3", 33  # the mark is one token, and so is the end
    cut, verdict = only(played(said(long, "</think>2"), Retry(turns=2, turn_tokens=10)))
    assert cut.stop is StopReason.LENGTH and len(cut) == 10 and verdict.outcome == 0.0
    whole, _ = only(played(said(long)))
    read = len(policy(SCRIPT).observe(PROBLEM.question, whole.leaf, WRONG.format(why="")).tokens)
    # One token of room after the observation is enough for a turn; none is not.
    full, _ = only(played(said(long, "</think>2"), Retry(turns=2), max_tokens=length + read))
    room, _ = only(played(said(long, "</think>2"), Retry(turns=2), max_tokens=length + read + 1))
    assert (len(full), full.stop) == (length, StopReason.END)
    assert (len(room), room.stop) == (length + read + 1, StopReason.LENGTH)
    prompt = len(policy(SCRIPT).prompts.tokens(PROBLEM.question))
    short, _ = only(played(said(long, "</think>2"), Retry(turns=2), context=prompt + length + read))
    more, _ = only(played(said(long, "</think>2"), Retry(turns=2), context=prompt + length + read + 1))
    assert (short.stop, more.stop) == (StopReason.END, StopReason.CONTEXT)


@dataclass
class Odd:
    """An environment that goes wrong at `where`; it counts what it opened and closed."""

    where: str
    how: Any = field(default_factory=lambda: ValueError("odd"))
    most_turns: int = 3
    most_turn_tokens: int = 0
    opened: int = 0
    closed: int = 0

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Odd]:
        self._check = check
        await self._maybe("open")
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1
            await self._maybe("close")

    async def reply(self, trajectory: Trajectory) -> Any:
        await self._maybe("reply")
        return 7 if self.where == "number" else "Go on."

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        await self._maybe("verdict")
        return Verdict(score=0.5) if self.where == "neither" else await self._check(trajectory)

    async def _maybe(self, where: str) -> None:
        if where == self.where:
            if isinstance(self.how, Exception):
                raise self.how
            await self.how()


@pytest.mark.parametrize("where", ["open", "reply", "verdict", "close", "number", "neither"])
def test_an_environment_that_goes_wrong_is_a_typed_failure_and_never_a_reward(where: str) -> None:
    odd = Odd(where)
    [group] = played(said(*["</think>2"] * 3), odd, n=2)
    assert [(v.outcome, v.failure) for v in group.verdicts] == [(None, "environment")] * 2
    detail = {"number": "replied with int", "neither": "must have an outcome or a failure"}.get(
        where, "ValueError: odd"
    )
    assert detail in group.verdicts[0].detail
    assert group.solve_rate is None
    assert odd.closed == odd.opened == (0 if where == "open" else 2)
    turns = {"open": 1, "reply": 1, "number": 1}.get(where, 3)  # what was drawn before is kept
    assert [sum(step.is_observation for step in t.steps) + 1 for t in group.trajectories] == [turns] * 2


def test_an_environment_in_order_is_closed_once_an_episode() -> None:
    odd = Odd("nowhere")
    [group] = played(said(*["</think>2"] * 3), odd, n=2)
    assert [v.outcome for v in group.verdicts] == [1.0, 1.0] and odd.closed == odd.opened == 2


def in_time(odd: Odd, slow: float, seconds: float) -> Verdict:
    """The verdict on one trajectory if an environment may take `seconds` and the grader takes `slow`."""

    def slowly(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        time.sleep(slow)
        return grade(problems, responses)

    async def one() -> Verdict:
        propose = policy(said(*["</think>2"] * 3))
        [leaf] = await propose(PROBLEM.question, None, 1, until="end", max_tokens=50, seed=0)
        async with Grading(slowly) as grading:
            episodes = Episodes(odd, propose, grading, 200, 0, seconds)
            return (await episodes.play(PROBLEM, Trajectory(PROBLEM.question, leaf), 0))[1]

    return asyncio.run(asyncio.wait_for(one(), 30))


def test_an_environment_that_does_not_answer_fails_by_its_deadline_but_not_for_a_slow_grader() -> None:
    never = Odd("reply", asyncio.Event().wait)
    verdict = in_time(never, slow=0, seconds=0.2)
    assert (verdict.failure, verdict.detail) == ("environment", "no answer within 0.2 s")
    assert never.closed == 1
    assert in_time(Odd("nowhere"), slow=0.6, seconds=0.2).outcome == 1.0


def test_an_error_of_the_engine_is_not_blamed_on_the_environment() -> None:
    with pytest.raises(EngineError, match="gone"):
        played(said("</think>3", "</think>2"), Retry(turns=2), faults={1: EngineError("gone")})
    verdict = only(played(said("</think>3"), Odd("reply", EngineError("its own model is gone"))))[1]
    assert verdict.failure == "environment"
    with pytest.raises(PonderError, match="no such board"):
        played(said("</think>3"), Odd("open", PonderError("no such board")))


def test_several_turns_need_a_policy_that_can_be_answered() -> None:
    with pytest.raises(PonderError, match="Retry answers the policy, and this source of samples cannot"):
        asyncio.run(collect([PROBLEM], Policy(), grade, group_size=1, max_tokens=9, seed=0, environment=Retry()))
