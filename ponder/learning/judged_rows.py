"""What every verifier learns from: a trajectory as tokens, where its steps end, and what is known of it.

    prompt                 response
    [ 5 6 7 | 20 21 22 | 23 24 | 25 ]     start=3, ends=(5, 7, 8), labels=(1.0, 0.5, None), outcome=0.0

A label is the share of continuations after the step that succeeded (a value), or 1.0 and 0.0 for a right and a wrong
step. None is "not labelled" and is never trained on; neither is an outcome of None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ponder.types import PonderError

RIGHT = 0.5  # a label from here on counts as a right step where a hard label is needed


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One trajectory. `start` counts prompt tokens, `ends` are positions in `tokens`, one label a step.

    `problem` names the question: pairs are made among rows of one problem. `critique` are tokens of feedback in words,
    for the generative verifier only.
    """

    problem: str
    tokens: tuple[int, ...]
    start: int
    ends: tuple[int, ...]
    labels: tuple[float | None, ...] = ()
    outcome: float | None = None
    critique: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.ends) == 0 or self.ends[-1] != len(self.tokens) - 1:
            raise PonderError(f"{self.problem}: the last step must end with the last of {len(self.tokens)} tokens")
        for step, (before, end) in enumerate(zip((self.start - 1, *self.ends), self.ends, strict=False)):
            if end <= before:
                raise PonderError(f"{self.problem}: step {step} is empty; leave such trajectories out")
        if self.labels and len(self.labels) != len(self.ends):
            raise PonderError(
                f"{self.problem}: {len(self.labels)} labels for {len(self.ends)} steps; one each is needed"
            )
        for value in (*self.labels, self.outcome):
            if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
                raise PonderError(f"{self.problem}: {value} is no label; allowed are numbers from 0 to 1")

    @property
    def last(self) -> int:
        """Position of the last token, where the whole trajectory is judged."""
        return len(self.tokens) - 1

    @property
    def labelled(self) -> list[tuple[int, float]]:
        """(position, label) of the labelled step ends."""
        return [(end, label) for end, label in zip(self.ends, self.labels, strict=False) if label is not None]


@dataclass(frozen=True, slots=True)
class Example:
    """What an objective makes of rows: token rows that are forwarded together, positions in each, and targets.

    The loss is divided by the sum of `count`: the number of targets unless an objective says otherwise. A subclass may
    stand for another part of the loss.
    """

    rows: tuple[tuple[int, ...], ...]
    at: tuple[tuple[int, ...], ...]
    targets: tuple[float, ...]
    count: float | None = None

    @property
    def counted(self) -> float:
        return len(self.targets) if self.count is None else self.count

    @property
    def longest(self) -> int:
        return max(map(len, self.rows))
