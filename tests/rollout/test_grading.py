"""Grading beside generation: it overlaps, it hears of cuts, and whatever goes wrong is a typed failure of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.protocols import Until
from ponder.rollout.collect import Collected, collect
from ponder.rollout.grading import graded
from ponder.types import Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from ponder.verifiers.noise import Noise, NoisyGrade

PROBLEMS = [Problem(Question(f"p{i}", "toy", f"question {i}"), Key("R")) for i in range(6)]


class Policy:
    """The k-th answer to a question is R if k is even, else W; `waits` says what to await before one is given."""

    def __init__(self, waits: Callable[[Question], object] | None = None, stop: StopReason = StopReason.END) -> None:
        self.waits, self.stop = waits, stop

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        if self.waits is not None:
            await self.waits(question)  # type: ignore[misc]
        texts = [f"{question.id}{'RW'[k % 2]}" for k in range(n)]
        return [Step(tuple(map(ord, t)), (-1.0,) * len(t), t, 3, self.stop) for t in texts]

    def answer(self, trajectory: Trajectory) -> str | None:
        return trajectory.text


def right(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=float(r.endswith("R"))) for r in responses]


def collected(grade: Callable[..., list[Verdict]], policy: Policy | None = None, **options: float) -> Collected:
    how = {"group_size": 4, "max_tokens": 9, "seed": 0, **options}
    return asyncio.run(asyncio.wait_for(collect(PROBLEMS, policy or Policy(), grade, **how), 30))  # type: ignore[arg-type]


def told(groups: Collected) -> list[list[tuple[float | None, str | None]]]:
    return [[(v.outcome, v.failure) for v in group.verdicts] for group in groups]


def test_an_answer_is_graded_while_others_are_still_being_generated() -> None:
    """The last problem is not answered before the first one was graded: without overlap nothing would ever end."""
    seen = threading.Event()

    def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        if any(p.id == "p0" for p in problems):
            seen.set()
        return right(problems, responses)

    async def waits(question: Question) -> None:
        while question.id == "p5" and not seen.is_set():
            await asyncio.sleep(0.001)

    assert told(collected(grade, Policy(waits))) == [[(1.0, None), (0.0, None)] * 2] * 6


def test_verdicts_stand_beside_their_answers_in_the_order_of_the_problems() -> None:
    async def waits(question: Question) -> None:
        await asyncio.sleep(0.002 * (6 - int(question.id[1])))  # the last comes first

    groups = collected(right, Policy(waits))
    assert [g.problem.id for g in groups] == [p.id for p in PROBLEMS]
    for group in groups:
        assert [v.outcome for v in group.verdicts] == [float(t.text.endswith("R")) for t in group.trajectories]
    assert groups.usage.kept == sum(len(t) for g in groups for t in g.trajectories) == 72
    assert groups.usage.spent == 72 and groups.usage.calls == 6


@settings(max_examples=15, deadline=None)
@given(delays=st.lists(st.integers(0, 4), min_size=6, max_size=6), nap=st.integers(0, 3), per=st.booleans())
def test_time_changes_nothing_not_even_what_a_noisy_grader_says(delays: list[int], nap: int, per: bool) -> None:
    async def waits(question: Question) -> None:
        await asyncio.sleep(0.001 * delays[int(question.id[1])])

    def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        time.sleep(0.001 * nap)
        return right(problems, responses)

    noise = Noise(0.5, 0.5, "call" if per else "answer", seed=4)
    swift = collected(NoisyGrade(right, noise), seed=2)
    slow = collected(NoisyGrade(grade, noise), Policy(waits), seed=2)
    assert told(swift) == told(slow)
    assert told(swift) != told(collected(right))  # the dial turns something, or this would say nothing


def test_a_grader_that_never_answers_is_a_failure_by_its_deadline() -> None:
    never = threading.Event()

    def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        never.wait()
        return right(problems, responses)

    started = time.monotonic()
    groups = collected(grade, grading_seconds=0.05)
    assert time.monotonic() - started < 10
    assert told(groups) == [[(None, "deadline")] * 4] * 6
    assert "0.05 s" in groups[0].verdicts[0].detail
    assert all(group.solve_rate is None for group in groups)
    assert told(collected(right)) == [[(1.0, None), (0.0, None)] * 2] * 6  # the next collection has a thread of its own
    graders = [t for t in threading.enumerate() if t.name == "ponder grading"]
    assert all(t.daemon for t in graders)  # one that hangs does not keep the process from ending
    never.set()
    gone = time.monotonic() + 10
    while len([t for t in threading.enumerate() if t.name == "ponder grading"]) >= len(graders):
        assert time.monotonic() < gone, "a thread that was given up ends after its call"
        time.sleep(0.01)


def test_a_grader_that_raises_on_one_answer_fails_for_that_one_alone() -> None:
    def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        if "p2W" in responses:
            raise ZeroDivisionError("two")
        return right(problems, responses)

    groups = collected(grade)
    assert told(groups)[2] == [(1.0, None), (None, "infrastructure")] * 2
    assert groups[2].verdicts[1].detail == "the grader raised ZeroDivisionError: two"
    assert [group.solve_rate for group in groups] == [0.5, 0.5, 1.0, 0.5, 0.5, 0.5]


def test_a_grader_that_never_works_ends_the_collection_with_its_own_error() -> None:
    with pytest.raises(ValueError, match="gave 0 verdicts for 1 responses"):
        collected(lambda problems, responses: [])

    def broken(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        raise KeyError("gold")

    with pytest.raises(KeyError, match="gold"):
        collected(broken)


def test_what_a_user_can_act_on_is_raised() -> None:
    def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        raise PonderError("programs cannot be isolated here; install bubblewrap")

    with pytest.raises(PonderError, match="install bubblewrap"):
        collected(grade)
    with pytest.raises(PonderError, match="positive number of seconds"):
        collected(right, grading_seconds=0)


def test_a_grader_that_asks_is_told_which_answers_were_cut() -> None:
    heard: list[bool] = []

    def grade(problems: Sequence[Problem], responses: Sequence[str], finished: Sequence[bool]) -> list[Verdict]:
        heard.extend(finished)
        return [Verdict(outcome=float(done)) for done in finished]

    assert {o for row in told(collected(grade, Policy(stop=StopReason.LENGTH))) for o, _ in row} == {0.0}
    assert set(heard) == {False}
    dialled = NoisyGrade(grade, Noise())  # type: ignore[arg-type]
    assert {o for row in told(collected(dialled)) for o, _ in row} == {1.0}
    leaf = Step((1,), (0.0,), "R", 0, StopReason.CONTEXT)
    [verdict] = graded(dialled, PROBLEMS[:1], [Trajectory(PROBLEMS[0].question, leaf)])
    assert verdict.outcome == 0.0


def test_a_collection_that_is_cancelled_does_not_wait_for_its_grader() -> None:
    never, called = threading.Event(), threading.Event()

    def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        called.set()
        never.wait()
        return right(problems, responses)

    async def cancelled() -> None:
        task = asyncio.create_task(collect(PROBLEMS, Policy(), grade, group_size=1, max_tokens=9, seed=0))
        while not called.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancelled(), 10))
    never.set()
