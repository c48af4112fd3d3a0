"""Where a trajectory goes wrong, and labels that stop there.

The first error is the index of the first step after which no rollout ends right; NO_ERROR if there is none (the
convention of ProcessBench, arXiv 2412.06559), None if it was not looked for. Labels of correctness (people's, or hard
ones) mean nothing after the first error, so they are cut there (Let's Verify Step by Step, 2305.20050); values of
prefixes mean the same everywhere and are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.rollout.step_labels import Labelled
from ponder.types import StepLabel

NO_ERROR = -1


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
