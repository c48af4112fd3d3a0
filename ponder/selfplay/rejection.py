"""A second control arm: rejection-sampling fine-tuning, iterated, for the same work as the run.

Sample from the current policy, keep the right answers, imitate them, and begin again with the new policy (RAFT, arXiv
2304.06767; ReST-EM, 2312.06585; expert iteration). It hears of the same verdicts as self-play and samples the same kind
of problems from a curriculum of its own, so unlike more behaviour cloning it can win: what self-play gains beyond it is
owed to learning from wrong answers, from step labels or from the verifier, and not to the verdicts alone.

At most `MOST_RIGHT` right answers of a problem are kept, each text once, or easy problems would fill the rows (ReST-EM,
section 5). Degenerates where nothing is right: then nothing is learned, and the sampling is paid for all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ponder.learning.samples import mask
from ponder.selfplay.curriculum import Curriculum
from ponder.types import Group, PonderError, Problem, Question, Sample, StopReason

MOST_RIGHT = 4


class Report(Protocol):
    """What an update says of itself; the learner's report has it."""

    @property
    def flops(self) -> float: ...

    @property
    def seconds(self) -> float: ...

    @property
    def steps(self) -> int: ...

    @property
    def loss(self) -> float | None: ...


@dataclass(frozen=True)
class Player:
    """The policy of this arm, as three verbs.

    `draw` gives the judged groups of some problems from the weights that are served, by a seed; `update` imitates rows;
    `publish` hands the new weights to what serves them. `worked` gives the floating-point operations of sampling since
    it was last asked. `prompt` gives the tokens that the policy sees before its answer.
    """

    draw: Callable[[Sequence[Problem], int], list[Group]]
    update: Callable[[Sequence[Sample]], Report]
    publish: Callable[[], None]
    worked: Callable[[], float]
    prompt: Callable[[Question], Sequence[int]]


@dataclass(frozen=True)
class RejectionReport:
    """Work of all (`flops`) and of sampling alone, seconds of the updates, optimizer `steps`, mean loss of the last 10.

    `draws` rounds of sampling gave `sampled` judged answers, of which `kept` were imitated.
    """

    flops: float
    sampling_flops: float
    steps: int
    loss: float | None
    seconds: float
    draws: int
    sampled: int
    kept: int


def fine_tune(
    player: Player,
    curriculum: Curriculum,
    *,
    flops: float,
    problems: int,
    batch: int,
    tell: Callable[[float, float], None],
) -> RejectionReport:
    """Draw `problems` problems, imitate what was right in rows of `batch`, and again until `flops` are spent.

    The draw that passes `flops` is the last. `tell` hears (spent, total) after each. PonderError if a draw costs
    nothing: it would never end.
    """
    sampling = learning = seconds = 0.0
    draws = steps = sampled = kept = 0
    losses: list[float] = []
    player.worked()  # what was done before is not this arm's
    while sampling + learning < flops:
        groups = player.draw(curriculum.next(problems), draws)
        work = player.worked()
        if work <= 0.0:
            raise PonderError(
                "rejection sampling: the engine counts no work for its samples, so an arm of equal work would never "
                "end; use an engine that counts its tokens, or switch the arm off with control.rejection=false"
            )
        curriculum.observe(groups)
        rows = right_answers(groups, player.prompt)
        for start in range(0, len(rows), batch):
            report = player.update(rows[start : start + batch])
            learning, seconds, steps = learning + report.flops, seconds + report.seconds, steps + report.steps
            losses += [] if report.loss is None else [report.loss]
        if rows:
            player.publish()
        sampling, draws, kept = sampling + work, draws + 1, kept + len(rows)
        sampled += sum(len(group.judged) for group in groups)
        tell(min(sampling + learning, flops), flops)
    last = losses[-10:]
    loss = sum(last) / len(last) if last else None
    return RejectionReport(sampling + learning, sampling, steps, loss, seconds, draws, sampled, kept)


def right_answers(groups: Sequence[Group], prompt: Callable[[Question], Sequence[int]]) -> list[Sample]:
    """Rows that imitate the right answers of each group, families mixed as they were drawn.

    An answer that met its token limit is left out: it would teach to stop there.
    """
    rows: list[Sample] = []
    for group in groups:
        seen: set[tuple[int, ...]] = set()
        for trajectory, outcome in group.judged:
            fresh = trajectory.tokens not in seen and any(mask(trajectory))
            if outcome > 0.5 and trajectory.stop is not StopReason.LENGTH and fresh and len(seen) < MOST_RIGHT:
                seen.add(trajectory.tokens)
                rows.append(
                    Sample(
                        id=f"{group.problem.id}#{len(seen)}",
                        prompt=tuple(prompt(group.problem.question)),
                        response=trajectory.tokens,
                        advantages_T=(1.0,) * len(trajectory),
                        mask_T=mask(trajectory),
                    )
                )
    return rows
