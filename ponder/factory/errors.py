"""Where a wrong chain first goes wrong, as three judges see it. Index of a step, or None where none can be named.

    rollouts   binary search (OmegaPRM, arXiv 2406.06592): a prefix from which some continuation ends right is good
    verifier   the first step whose score is below one half
    truth      computed, for the families that have a truth of prefixes (`problems.step_truth`)

The search ends with *a* step where success was lost; where values are not monotone there may be an earlier one.
"""

from __future__ import annotations

from typing import Protocol

from ponder.labels.rollouts import Rollouts
from ponder.problems.step_truth import NO_ERROR, first_error
from ponder.protocols import Judge
from ponder.types import Trajectory

DOUBT = 0.5


class FirstError(Protocol):
    """Finds the first wrong step of a trajectory whose answer is wrong."""

    @property
    def name(self) -> str: ...

    async def __call__(self, wrong: Trajectory, rollouts: Rollouts) -> int | None: ...


class ByRollouts:
    """`draws` continuations at each prefix that the search looks at."""

    name = "rollouts"

    def __init__(self, draws: int) -> None:
        self.draws = draws

    async def __call__(self, wrong: Trajectory, rollouts: Rollouts) -> int | None:
        steps, good, bad = wrong.steps, 0, len(wrong.steps)
        while bad - good > 1:
            middle = (good + bad) // 2
            estimate = await rollouts.after(steps[middle - 1], self.draws)
            if estimate is None or estimate.value is None:
                return None
            good, bad = (middle, bad) if estimate.value > 0 else (good, middle)
        return bad - 1


class ByVerifier:
    """A learned verifier that scores steps."""

    name = "verifier"

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    async def __call__(self, wrong: Trajectory, rollouts: Rollouts) -> int | None:
        (verdict,) = await self.judge(wrong.question, [wrong])
        scores = verdict.step_scores or ()
        return next((at for at, score in enumerate(scores) if score < DOUBT), None)


class ByTruth:
    """The family's own truth of prefixes."""

    name = "truth"

    async def __call__(self, wrong: Trajectory, rollouts: Rollouts) -> int | None:
        found = first_error(rollouts.problem, [step.text for step in wrong.steps])
        return None if found in (None, NO_ERROR) else found
