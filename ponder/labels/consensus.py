"""Consensus filter (arXiv 2501.07301, section 3.1.4): keep what rollouts and a second judge agree on.

A trajectory stays if both put the first error at the same step, or both see none. In the paper about 40 % stay and the
verifier trained on them finds errors much better. What rollouts did not decide (the budget ran out) cannot be agreed
on and is counted apart. A judge that passes everything leaves only the trajectories without an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ponder.labels.labelled import NO_ERROR, Labelled
from ponder.protocols import Judge
from ponder.types import PonderError, Verdict


@dataclass(frozen=True, slots=True)
class Consensus:
    """What both agree on, how many they disagree on, and how many had no first error from rollouts."""

    kept: tuple[Labelled, ...]
    disagreed: int
    undecided: int


async def consensus(items: Sequence[Labelled], judge: Judge, *, threshold: float = 0.5) -> Consensus:
    """Judge every trajectory whose first error is known. A step scored below `threshold` is wrong to the judge."""
    decided = [item for item in items if item.first_error is not None]
    verdicts = await asyncio.gather(*(judge(item.trajectory.question, [item.trajectory]) for item in decided))
    kept = tuple(
        item
        for item, (verdict,) in zip(decided, verdicts, strict=True)
        if judged_error(verdict, item, threshold) == item.first_error
    )
    return Consensus(kept, len(decided) - len(kept), len(items) - len(decided))


def judged_error(verdict: Verdict, item: Labelled, threshold: float) -> int:
    """The judge's first wrong step, NO_ERROR if it sees none."""
    scores, steps = verdict.step_scores, len(item.trajectory.steps)
    if scores is None or len(scores) != steps:
        got = "no step scores" if scores is None else f"{len(scores)} step scores"
        raise PonderError(f"{item.problem}: the judge gave {got} for {steps} steps; use one that scores every step")
    return next((k for k, score in enumerate(scores) if score < threshold), NO_ERROR)
