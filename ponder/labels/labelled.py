"""The labelled trajectory, which every method gives, and its first error.

The first error is the index of the first step after which no rollout ends right; NO_ERROR if there is none (the
convention of ProcessBench, arXiv 2412.06559), None if it was not looked for. Labels of correctness (people's, or hard
ones) mean nothing after the first error, so they are cut there (Let's Verify Step by Step, 2305.20050); values of
prefixes mean the same everywhere and are kept.

Other forms are views of this one: `rows.LabelRow` on disk, `learning.judged_rows.JudgedRow` in a learner's tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ponder.types import StepLabel, Trajectory

NO_ERROR = -1


@dataclass(frozen=True, slots=True)
class Labelled:
    """A trajectory with labels for some of its steps, in step order; steps without a label are not trained on.

    `outcome` is the grade of the whole trajectory (None: not known here). `first_error` as above. `advantages_S` has
    one for each step, or none at all where a method does not look for them or could not estimate one.
    """

    trajectory: Trajectory
    labels: tuple[StepLabel, ...]
    outcome: float | None = None
    first_error: int | None = None
    advantages_S: tuple[float, ...] = ()

    @property
    def problem(self) -> str:
        """The id of the problem."""
        return self.trajectory.question.id


def first_zero(labels: Sequence[StepLabel]) -> int:
    """The first step whose value is 0, or NO_ERROR. `labels` must hold every step for this to be the first error."""
    return next((label.step for label in labels if label.value == 0), NO_ERROR)


def up_to_first_error(item: Labelled) -> Labelled:
    """Without the labels after the first error."""
    error = first_zero(item.labels) if item.first_error is None else item.first_error
    if error == NO_ERROR:
        return item
    return replace(item, labels=tuple(label for label in item.labels if label.step <= error))


def implied(item: Labelled) -> Labelled:
    """Hard labels for every step that the first error decides: right before it, wrong at it; the rest is cut.

    This is what a binary search buys: all steps are labelled for the price of a few. Steps that were never rolled
    out from have 0 rollouts. Unchanged where the first error was not looked for.
    """
    if item.first_error is None:
        return item
    error = item.first_error
    known = {label.step: label.rollouts for label in item.labels}
    last = len(item.trajectory.steps) - 1 if error == NO_ERROR else error
    labels = tuple(StepLabel(k, float(k != error), known.get(k, 0)) for k in range(last + 1))
    return replace(item, labels=labels)
