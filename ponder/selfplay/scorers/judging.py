"""A judging model asked about the answers of an update, and how far truth agrees with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from ponder.protocols import Propose
from ponder.thinking import final_answer, reading_of
from ponder.types import Trajectory, Verdict


class Opinions(Protocol):
    """Judges by a rubric: a `Verdict` with a score in [0, 1], or the failure "judge"."""

    async def verdict(self, task: str, answer: str) -> Verdict: ...


# Makes the judge; it is handed the policy, for the case that the policy judges its own answers.
JudgeOf = Callable[[Propose], Opinions]


async def judged(judge: Opinions, policy: Propose, trajectories: Sequence[Trajectory]) -> list[Verdict]:
    """An opinion of each answer, all at once; an answer that stands nowhere is judged as an empty one."""
    read = reading_of(policy)
    answers = [final_answer(read(trajectory)) or "" for trajectory in trajectories]
    pairs = zip(trajectories, answers, strict=True)
    return list(await asyncio.gather(*(judge.verdict(t.question.text, answer) for t, answer in pairs)))


def agreement(verdicts: Sequence[Verdict], outcomes: Sequence[float]) -> dict[str, float]:
    """Metrics of an update: the mean score, how often judge and truth agree, and how often there was no verdict."""
    known = [(v.score, outcome) for v, outcome in zip(verdicts, outcomes, strict=True) if v.score is not None]
    found = {"judge_failures": 1 - len(known) / len(verdicts)} if verdicts else {}
    if known:
        found["judge_score"] = sum(score for score, _ in known) / len(known)
        found["judge_agreement"] = sum((score >= 0.5) == (outcome >= 0.5) for score, outcome in known) / len(known)
    return found
