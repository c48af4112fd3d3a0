"""How wrong step labels are against the truth, where a family has one (`ponder.problems.step_truth`).

A label calls a step good if its value is above `threshold` (0: any right rollout, the hard rule). A false positive is
a bad step called good, a false negative a good step called bad; each is a share of the steps that could be so
mislabelled, and None if there are none. Counts add up over trajectories, so a caller can resample problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.types import StepLabel


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """Counts of labelled steps by truth and by label."""

    good: int = 0
    bad: int = 0
    false_negatives: int = 0
    false_positives: int = 0

    def __add__(self, other: LabelErrors) -> LabelErrors:
        return LabelErrors(
            self.good + other.good,
            self.bad + other.bad,
            self.false_negatives + other.false_negatives,
            self.false_positives + other.false_positives,
        )

    @property
    def error(self) -> float | None:
        """Share of all labelled steps with a wrong label."""
        wrong = self.false_negatives + self.false_positives
        return wrong / (self.good + self.bad) if self.good + self.bad else None


def label_errors(labels: Sequence[StepLabel], truth_S: Sequence[bool], *, threshold: float = 0.0) -> LabelErrors:
    """Compare the labels of one trajectory with the truth of its steps."""
    pairs = [(truth_S[label.step], label.value > threshold) for label in labels]
    good = sum(truth for truth, _ in pairs)
    return LabelErrors(
        good=good,
        bad=len(pairs) - good,
        false_negatives=sum(truth and not called for truth, called in pairs),
        false_positives=sum(called and not truth for truth, called in pairs),
    )
