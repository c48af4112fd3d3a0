"""Samples drawn once and replayed at every budget, so that a curve of a strategy costs little more than one drawing.

The very code of a strategy runs on a pool: `PoolPropose` hands out finished samples of a problem in a seeded random
order, without replacement, and `PoolJudge` the verdicts that a judge gave them once. That is the law of a live run for
strategies that draw whole answers from the root. Strategies that branch (beam) must be run live.

A budget may allow less than a sample's length. The first tokens of a long sample are exactly what a run with the lower
limit would have drawn, so such a sample is cut there. If the strategy then forces an answer, the live policy gives it,
once for each sample and length. Allowing more than the pool was drawn with is refused for samples cut at that limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ponder.protocols import Judge, Propose
from ponder.rollout.acting import Acting
from ponder.rollout.collect import Grade
from ponder.rollout.grading import graded
from ponder.seeds import derive_seed
from ponder.thinking import reading_of
from ponder.types import Group, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict


@dataclass(frozen=True, slots=True)
class Live:
    """What drew the samples, for what they cannot answer: forced answers, scores of those, and costs.

    With `acting` the samples are episodes of an environment, which then says what they were worth.
    """

    propose: Propose
    decode: Callable[[Sequence[int]], str]
    grade: Grade
    judge: Judge | None = None
    acting: Acting | None = None

    async def verdicts(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Ground truth of whole answers, or of whole episodes; in one call, after which the loop goes on."""
        if self.acting is not None:
            return await self.acting.verdicts(trajectories)
        return graded(self.grade, problems, trajectories, read=reading_of(self.propose))


@dataclass(frozen=True, slots=True)
class Draw:
    """A finished sample, its outcome (None: it could not be graded), its canonical answer and a judge's verdict."""

    trajectory: Trajectory
    outcome: float | None
    answer: str | None
    verdict: Verdict | None = None


@dataclass(eq=False)
class PoolEntry:
    """All samples of one problem, and what was derived from them while replaying."""

    problem: Problem
    draws: tuple[Draw, ...]
    live: Live
    _known: dict[Step, Draw] = field(init=False, repr=False)
    _cuts: dict[tuple[Step, int], Step] = field(default_factory=dict, init=False, repr=False)
    _forced: dict[tuple[Step | None, int], list[Step]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = {draw.trajectory.leaf: draw for draw in self.draws}

    def known(self, trajectory: Trajectory) -> Draw | None:
        """What is known of a trajectory that the pool handed out; None if it was cut and has no answer yet."""
        return self._known.get(trajectory.leaf)

    def cut(self, leaf: Step, max_tokens: int) -> Step:
        """The sample's first `max_tokens` tokens, always the same object."""
        if (leaf, max_tokens) not in self._cuts:
            self._cuts[leaf, max_tokens] = cut(leaf, max_tokens, self.live.decode)
        return self._cuts[leaf, max_tokens]

    async def answered(self, question: Question, prefix: Step | None, max_tokens: int) -> list[Step]:
        """The live policy's forced answer after `prefix`; drawn and graded once, with a seed of its own."""
        key = prefix, max_tokens
        if key not in self._forced:
            said = () if prefix is None else tuple(t for step in prefix.path for t in step.tokens)
            seed = derive_seed("pool answer", self.problem.id, said)
            live = self.live
            leaves = await live.propose(question, prefix, 1, until="answer", max_tokens=max_tokens, seed=seed)
            for trajectory in (Trajectory(question, leaf) for leaf in leaves):
                [verdict] = await live.verdicts([self.problem], [trajectory])
                self._known[trajectory.leaf] = Draw(trajectory, verdict.outcome, live.propose.answer(trajectory))
            self._forced[key] = leaves
        return self._forced[key]

    async def verdicts(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Verdicts from memory; only trajectories never scored before go to the live judge."""
        if self.live.judge is None:
            raise PonderError(f"{self.problem.id}: this pool was drawn without a verifier and cannot score samples")
        new = [t for t in trajectories if (draw := self.known(t)) is None or draw.verdict is None]
        found = await self.live.judge(question, new) if new else []
        for trajectory, verdict in zip(new, found, strict=True):
            draw = self.known(trajectory) or Draw(trajectory, None, None)
            self._known[trajectory.leaf] = replace(draw, verdict=verdict)
        verdicts = [self._known[t.leaf].verdict for t in trajectories]
        return [verdict for verdict in verdicts if verdict is not None]


@dataclass(frozen=True)
class Pool:
    """Samples of many problems, drawn with at most `max_tokens` tokens each; `dropped` could not be graded."""

    entries: tuple[PoolEntry, ...]
    max_tokens: int
    dropped: int = 0


async def make_pool(groups: Sequence[Group], live: Live, *, max_tokens: int) -> Pool:
    """A pool from judged groups drawn with `max_tokens`; samples of all groups are scored at once.

    Problems of which no sample could be graded are left out. Raises PonderError if nothing is left.
    """

    async def entry(group: Group) -> PoolEntry:
        trajectories = [trajectory for trajectory, _ in group.judged]
        verdicts: Sequence[Verdict | None] = [None] * len(trajectories)
        if live.judge is not None and trajectories:
            verdicts = await live.judge(group.problem.question, trajectories)
        pairs = zip(group.judged, verdicts, strict=True)
        draws = tuple(Draw(t, y, live.propose.answer(t), v) for (t, y), v in pairs)
        return PoolEntry(group.problem, draws, live)

    entries = tuple(e for e in await asyncio.gather(*map(entry, groups)) if e.draws)
    if not entries:
        raise PonderError(f"no sample of {len(groups)} problems could be graded; look at the grader's failures")
    return Pool(entries, max_tokens, sum(len(group.trajectories) - len(group.judged) for group in groups))


def cut(leaf: Step, max_tokens: int, decode: Callable[[Sequence[int]], str]) -> Step:
    """The first `max_tokens` (at least 1) tokens up to `leaf`, as a run with that limit would have ended."""
    left = max_tokens
    for step in leaf.path:
        if len(step.tokens) >= left:
            tokens = step.tokens[:left]
            text = step.text if len(step.tokens) == left else decode(tokens)
            return replace(step, tokens=tokens, logprobs=step.logprobs[:left], text=text, stop=StopReason.LENGTH)
        left -= len(step.tokens)
    raise ValueError(f"a trajectory shorter than {max_tokens} tokens cannot be cut there")
