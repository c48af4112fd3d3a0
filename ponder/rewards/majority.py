"""The vote of the group as reward: reinforcement learning without a key (TTRL, arXiv 2504.16084, section 3).

The answer that most of the group gave is taken for right: 1 for those that gave it, 0 for the others. Ground truth is
not asked. It works while the vote is better than the single answer; where it is not, the policy is trained towards its
own mistake and grows sure of it (the consensus trap). So read the reward beside the solve rate: a mean reward that
rises while the solve rate stands still is the trap.

The mean over a group is the share of the commonest answer. Degenerate: answers that are all different pay 0, and
answers that all agree pay 1; neither has a gradient. Of equally common answers the one that was given first counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.rewards.component import Component, Graded
from ponder.thinking import final_answer
from ponder.types import Trajectory, Verdict


class Majority(Component):
    """1 for the answer that most of the group gave, if at least `votes` did, else 0: no key, and so a danger."""

    kind: Literal["majority"] = "majority"
    votes: Annotated[int, Field(ge=2)] = 2
    source: ClassVar[str] = "TTRL (arXiv 2504.16084, section 3.2)"

    def pay(self, graded: Graded) -> Sequence[float]:
        answers = answers_of(graded)
        counted = Counter(answer for answer in answers if answer).most_common(1)
        if not counted or counted[0][1] < self.votes:
            return [0.0] * len(answers)
        return [float(answer == counted[0][0]) for answer in answers]


def answers_of(graded: Graded) -> list[str]:
    """What counts as the same answer, for each judged trajectory: what its grader read, without white space and case.

    Empty: there is no answer. Other ways to write an answer (1/2 and 0.5) count as others where the grader shows the
    text as it stands.
    """
    verdicts = {id(t): v for t, v in zip(graded.group.trajectories, graded.group.verdicts, strict=True)}
    return [_plain(trajectory, verdicts.get(id(trajectory))) for trajectory in graded.trajectories_G]


def _plain(trajectory: Trajectory, verdict: Verdict | None) -> str:
    read = verdict.extracted if verdict is not None and verdict.extracted is not None else None
    text = read if read is not None else final_answer(trajectory.response)
    return "".join((text or "").split()).casefold()
