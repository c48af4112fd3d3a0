"""How long steps and whole trajectories of this question have been so far, so that plans need not assume the worst.

Plans made from these are guesses. What makes a search keep its budget are the caps it puts on each call.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.types import StopReason, Trajectory


@dataclass
class LengthStatistics:
    """Counts over what was drawn. Forced steps and steps that a limit cut tell nothing of the policy's own pace."""

    steps: int = 0
    step_tokens: int = 0
    longest: int = 0
    ends: int = 0
    end_tokens: int = 0

    @property
    def known(self) -> bool:
        """Whether a step and an end have been seen."""
        return self.steps > 0 and self.ends > 0

    @property
    def step(self) -> float:
        """Mean tokens of a step; at least 1."""
        return max(1.0, self.step_tokens / self.steps) if self.steps else 1.0

    @property
    def length(self) -> float:
        """Mean tokens of a trajectory that ended by itself or after a forced close; at least 1."""
        return max(1.0, self.end_tokens / self.ends) if self.ends else 1.0

    def saw(self, trajectory: Trajectory, new: int) -> None:
        """Count the last steps of `trajectory`, which hold its `new` latest tokens."""
        for step in reversed(trajectory.steps):
            if new <= 0:
                break
            new -= len(step.tokens)
            if not step.forced and step.tokens and step.stop in (StopReason.STEP, StopReason.END):
                self.steps += 1
                self.step_tokens += len(step.tokens)
                self.longest = max(self.longest, len(step.tokens))
        if trajectory.stop is StopReason.END:
            self.ends += 1
            self.end_tokens += len(trajectory)
