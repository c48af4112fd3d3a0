"""The noise dial: any grader or judge, made wrong at stated rates.

A true verdict "right" is turned with chance `false_reject`, a true "wrong" with chance `false_accept`; a failure stays
one. Draws hang on (seed, problem, answer) with `per="answer"`, so the same answer always gets the same verdict: a
checker with blind spots, which more samples of the same answer do not see through. With `per="call"` every verdict is
drawn anew. One uniform number decides at all rates, so a verdict that is turned at 10 % is turned at 20 % too, and
runs at several rates differ by nothing else. At rates 0 the grader itself is handed back.

Ceiling (2411.17501): the first accepted of any number of samples is right with p TPR / (p TPR + (1-p) FPR); `simulate`
draws it sample by sample. Left out: noise that depends on the answer's length or looks, which real checkers have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ponder.protocols import Grade, Judge, Price, grade_responses
from ponder.seeds import derive_seed
from ponder.thinking import final_answer
from ponder.types import PonderError, Problem, Question, Trajectory, Verdict

Per = Literal["answer", "call"]
CUT = 0.5  # a judge accepts from here on


@dataclass(frozen=True, slots=True)
class Noise:
    """How often a verdict is turned. `seed` names the draw of all verdicts."""

    false_accept: float = 0.0
    false_reject: float = 0.0
    per: Per = "answer"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("false_accept", "false_reject"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise PonderError(f"noise.{name} is {getattr(self, name)}; it is a rate and lies in 0..1")
        if self.per not in ("answer", "call"):
            raise PonderError(f"noise.per is {self.per!r}; allowed are answer and call")

    @property
    def is_silent(self) -> bool:
        return self.false_accept == self.false_reject == 0.0

    def turns(self, accepted: bool, *draw: object) -> bool:
        """Whether a true verdict is turned; the same `draw` gives the same answer."""
        rate = self.false_reject if accepted else self.false_accept
        return derive_seed("noise", self.seed, *draw) / 2**63 < rate


class NoisyGrade:
    """A grader behind the dial. `stream` names a series of calls: the same responses in it give the same verdicts.

    With `per="call"` the n-th verdict on a response is drawn for itself. It does not depend on how responses fall into
    calls, nor on those to other problems, since training grades them as they finish.
    """

    def __init__(self, grade: Grade, noise: Noise, *, stream: int = 0) -> None:
        self.grade, self.noise, self.stream = grade, noise, stream
        self.graded: Counter[tuple[str, str]] = Counter()

    def __call__(
        self, problems: Sequence[Problem], responses: Sequence[str], finished: Sequence[bool] | None = None
    ) -> list[Verdict]:
        told = [True] * len(responses) if finished is None else finished
        verdicts = grade_responses(self.grade, problems, responses, told)
        return [self._turned(p, r, v) for p, r, v in zip(problems, responses, verdicts, strict=True)]

    def _turned(self, problem: Problem, response: str, verdict: Verdict) -> Verdict:
        self.graded[problem.id, response] += 1
        if verdict.outcome is None:
            return verdict
        accepted = verdict.outcome >= CUT
        call = (self.stream, response, self.graded[problem.id, response])
        draw = (answer_of(response, verdict),) if self.noise.per == "answer" else call
        if not self.noise.turns(accepted, problem.id, *draw):
            return verdict
        return replace(verdict, outcome=float(not accepted), detail=f"turned by the noise dial; {verdict.detail}")


class NoisyJudge:
    """A judge behind the dial: a turned score s becomes 1 - s, and so do its step scores. Costs are the judge's."""

    def __init__(self, judge: Judge, noise: Noise) -> None:
        self.judge, self.noise, self.judged = judge, noise, 0

    def price(self, question: Question) -> Price:
        return self.judge.price(question)

    def extra(self, trajectory: Trajectory) -> float:
        return self.judge.extra(trajectory)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        verdicts = await self.judge(question, trajectories)
        return [self._turned(question, t, v) for t, v in zip(trajectories, verdicts, strict=True)]

    def _turned(self, question: Question, trajectory: Trajectory, verdict: Verdict) -> Verdict:
        self.judged += 1
        said = verdict.score if verdict.score is not None else verdict.outcome
        if said is None:
            return verdict
        draw = answer_of(trajectory.text, verdict) if self.noise.per == "answer" else self.judged
        if not self.noise.turns(said >= CUT, question.id, draw):
            return verdict
        steps = None if verdict.step_scores is None else tuple(1.0 - s for s in verdict.step_scores)
        score, outcome = (None if x is None else 1.0 - x for x in (verdict.score, verdict.outcome))
        return replace(verdict, score=score, outcome=outcome, step_scores=steps)


def noisy(grade: Grade, noise: Noise, *, stream: int = 0) -> Grade:
    """`grade` behind the dial; `grade` itself where the dial is at zero."""
    return grade if noise.is_silent else NoisyGrade(grade, noise, stream=stream)


def answer_of(response: str, verdict: Verdict) -> str:
    """What counts as the same answer: what the grader read, else all after the thinking, without white space or case.

    Responses without an answer are one answer. Other ways to write an answer (1/2 and 0.5) are other answers.
    """
    text = verdict.extracted if verdict.extracted is not None else final_answer(response)
    return "".join((text or "").split()).casefold()


def simulate(noise: Noise, solve_rate: float, n: int, *, trials: int, seed: int) -> float:
    """Share of right answers when the first of `n` samples that the dial accepts is taken, else the last one.

    Every sample is right with chance `solve_rate` and every verdict is drawn anew.
    """
    if n < 1 or trials < 1:
        raise PonderError(f"a simulation of {trials} trials of {n} samples says nothing; both must be at least 1")
    rng = np.random.default_rng(seed)
    right = rng.random((trials, n)) < solve_rate
    turned = rng.random((trials, n)) < np.where(right, noise.false_reject, noise.false_accept)
    accepted = right ^ turned
    taken = np.where(accepted.any(axis=1), accepted.argmax(axis=1), n - 1)
    return float(right[np.arange(trials), taken].mean())
