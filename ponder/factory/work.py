"""What a method is given: one problem with judged samples, and everything that may be asked for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ponder.factory.chain import Span
from ponder.factory.errors import FirstError
from ponder.labels.rollouts import Rollouts
from ponder.protocols import Propose
from ponder.thinking import THINK_CLOSE
from ponder.types import Group, Problem, Step, StopReason, Trajectory

TURN = "Wait, that is wrong. Again:\n"


@dataclass(frozen=True)
class Role:
    """A model in a role."""

    model: str
    propose: Propose


@dataclass
class Work:
    """One problem at the bench. `why` counts why a method made nothing, by a name.

    `roles` holds planner, elaborator and critic; `most` is how many chains of a problem a method makes at most.
    """

    problem: Problem
    group: Group
    rollouts: Rollouts
    first_error: FirstError
    roles: Mapping[str, Role]
    model: str
    turn: str = TURN
    most: int = 4
    draws: int = 4
    seed: int = 0
    why: Counter[str] = field(default_factory=Counter)
    tokens: int = 0

    @property
    def right(self) -> list[tuple[int, Trajectory]]:
        """The right samples with their place in the group, each text once, whole ones alone."""
        return self._of(1.0)

    @property
    def wrong(self) -> list[tuple[int, Trajectory]]:
        """The wrong samples that ended by themselves."""
        return self._of(0.0)

    def _of(self, outcome: float) -> list[tuple[int, Trajectory]]:
        found: dict[str, tuple[int, Trajectory]] = {}
        for at, (trajectory, verdict) in enumerate(zip(self.group.trajectories, self.group.verdicts, strict=True)):
            if verdict.outcome == outcome and trajectory.stop is StopReason.END:
                found.setdefault(trajectory.text, (at, trajectory))
        return list(found.values())

    def source(self, at: int) -> str:
        """The name of a sample of the group."""
        return f"{self.problem.id}#{at}"

    async def branch(self, at: int, wrong: Trajectory, *, before: bool = False) -> tuple[list[Span], int] | None:
        """The beginning of a wrong sample up to its first error, and the index of that; None if there is none to show.

        The right part and the wrong step are spans of their own; `before` leaves the wrong step out. Nothing of the
        answer is shown: what ends the thinking is cut off.
        """
        error = await self.first_error(wrong, self.rollouts)
        if error is None:
            self.why["no first error was found"] += 1
            return None
        texts = [step.text for step in wrong.steps]
        good, bad = "".join(texts[:error]), texts[error].partition(THINK_CLOSE)[0]
        if THINK_CLOSE in good or not (good if before else bad):
            self.why["the thinking holds no wrong step"] += 1
            return None
        spans = [Span("right", good, self.model, self.source(at), "before the first error")] if good else []
        if not before:
            ended = bad if bad.endswith("\n") else f"{bad}\n"
            note = f"step {error}, first error by {self.first_error.name}"
            spans.append(Span("wrong", ended, self.model, self.source(at), note))
        return spans, error

    def turned(self) -> Span:
        """The words between a wrong branch and the right one."""
        return Span("turn", self.turn, "factory")


def prefix_before(wrong: Trajectory, error: int) -> Step | None:
    """The last step before the first wrong one; None: the question itself."""
    return wrong.steps[error - 1] if error else None


def text_after(leaf: Step, prefix: Step | None) -> str:
    """What was said after `prefix`."""
    texts: list[str] = []
    node: Step | None = leaf
    while node is not None and node is not prefix:
        texts.append(node.text)
        node = node.parent
    return "".join(reversed(texts))


def some_right(leaves: Sequence[Step], outcomes: Sequence[float | None]) -> Step | None:
    """The first whole continuation that ends right."""
    ends = zip(leaves, outcomes, strict=True)
    return next((leaf for leaf, outcome in ends if outcome == 1.0 and leaf.stop is StopReason.END), None)
