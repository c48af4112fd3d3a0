"""A labelling job: resumable at any point, the same labels whatever was interrupted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ponder.labels.job import Finished, Job, label_all, read_journal
from ponder.labels.methods import METHODS, Settings, method
from ponder.labels.rollouts import Source
from ponder.labels.rows import Origin
from ponder.problems.families.arithmetic import Arithmetic
from ponder.protocols import Price, Until
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, StopReason, Trajectory, Verdict
from tests.rollout.scripted import grade, step

PROBLEMS = [Arithmetic().problem(i) for i in range(6)]


class Random:
    """Responses of a few random letters, right or wrong, by the seed alone; may break after some calls."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.calls, self.breaks_after = 0, breaks_after

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        self.calls += 1
        if self.breaks_after is not None and self.calls > self.breaks_after:
            raise PonderError("the engine was taken away")
        await asyncio.sleep(0)
        return [self._one(prefix, random.Random(derive_seed(seed, question.id, i))) for i in range(n)]

    def _one(self, prefix: Step | None, rng: random.Random) -> Step:
        for _ in range(rng.randint(0, 4)):
            prefix = step(rng.choice("abc"), prefix)
        return step(rng.choice("RW"), prefix, StopReason.END)

    def answer(self, trajectory: Trajectory) -> str | None:
        return trajectory.leaf.text


def job(propose: Random, name: str = "omega", **changes: object) -> Job:
    source = Source(propose, grade, max_tokens=30, seed=3)
    origin = Origin(name, "scripted", "t", "\n", 3, method(name).correctness)
    made = Job(method(name), Settings(n=3, searches=5), 4, source, source, origin)
    return replace(made, **changes)  # type: ignore[arg-type]


def label(work: Job, journal: Path, *, at_once: int = 4) -> list[Finished]:
    return asyncio.run(label_all(PROBLEMS, work, journal, lambda done, total: None, at_once=at_once))


@pytest.mark.parametrize("name", METHODS)
def test_an_interrupted_job_ends_as_one_that_was_not(tmp_path: Path, name: str) -> None:
    whole = label(job(Random(), name), tmp_path / "whole.jsonl")
    journal = tmp_path / "stopped.jsonl"
    with pytest.raises(PonderError, match="taken away"):
        label(job(Random(breaks_after=9 if name != "rest" else 3), name), journal, at_once=1)
    kept = len(read_journal(journal))
    assert kept < len(PROBLEMS)
    with journal.open("ab") as file:
        file.write(b'{"problem": "torn')
    assert label(job(Random(), name), journal, at_once=2) == whole
    assert any(finished.rows for finished in whole)


def test_finished_problems_are_not_sampled_again(tmp_path: Path) -> None:
    label(job(Random()), tmp_path / "j.jsonl")
    again = Random()
    told: list[tuple[int, int]] = []
    asyncio.run(label_all(PROBLEMS, job(again), tmp_path / "j.jsonl", lambda *at: told.append(at)))
    assert again.calls == 0 and told == [(6, 6)]


def test_the_budget_of_a_problem_holds_responses_and_rollouts(tmp_path: Path) -> None:
    finished = label(job(Random(), "shepherd", budget=150.0), tmp_path / "j.jsonl")
    assert all(0 < each.spent <= 150 for each in finished)
    with pytest.raises(PonderError, match=r"budget of 100 .* does not hold 4 responses"):
        label(job(Random(), budget=100.0), tmp_path / "small.jsonl")


def test_a_prover_of_half_the_size_costs_half(tmp_path: Path) -> None:
    same = label(job(Random(), "advantages"), tmp_path / "same.jsonl")
    small = Source(Random(), grade, max_tokens=30, seed=3, price=0.5)
    half = label(job(Random(), "advantages", prover=small), tmp_path / "half.jsonl")
    responses = [sum(len(t) for row in each.rows for t in row.tokens) for each in same]
    for whole, part, drawn in zip(same, half, responses, strict=True):
        assert part.spent - drawn == pytest.approx((whole.spent - drawn) / 2)
        assert [row.advantages for row in part.rows] == [row.advantages for row in whole.rows]


class Judge:
    """Sees no error anywhere; ten token-equivalents a question and one a token."""

    def price(self, question: Question) -> Price:
        return Price(question=10.0, token=1.0)

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(step_scores=(1.0,) * len(t.steps)) for t in trajectories]


def test_a_judge_keeps_what_it_agrees_with_and_is_paid(tmp_path: Path) -> None:
    alone = label(job(Random(), "shepherd"), tmp_path / "alone.jsonl")
    judged = label(job(Random(), "shepherd", judge=Judge()), tmp_path / "judged.jsonl")
    for before, after in zip(alone, judged, strict=True):
        assert [row for row in before.rows if row.first_error == -1] == list(after.rows)
        assert after.disagreed == len(before.rows) - len(after.rows)
        read = sum(len(t) for row in before.rows for t in row.tokens)
        assert after.spent == before.spent + read + 10.0 * bool(before.rows)  # the question is read once


def test_a_journal_line_of_something_else_is_named(tmp_path: Path) -> None:
    journal = tmp_path / "j.jsonl"
    journal.write_text('{"problem": "a"}\n')
    with pytest.raises(PonderError, match="row 0: not a line of a labelling job"):
        read_journal(journal)
