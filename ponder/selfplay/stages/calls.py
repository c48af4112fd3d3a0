"""What became of calls: how many answers called a tool, and how often those with and without a call are right.

Answers with a call are chosen by the policy and not by a coin: they may be the harder ones, so the difference of the
two accuracies is no effect of the tool. Compare the accuracy of runs with and without tools for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.tools.toolbox import RESULT_OPEN
from ponder.types import Group, Trajectory


def calls(trajectory: Trajectory) -> int:
    """How many results of tools were read; several calls that one turn makes in the model's own format count once."""
    return sum(
        step.is_result or (step.forced and not step.is_observation and step.text.startswith(RESULT_OPEN))
        for step in trajectory.steps
    )


def shares(groups: Sequence[Group]) -> dict[str, float]:
    """`share` of the judged answers with a call, calls `per_answer`, and accuracy `right_with` and `right_without`.

    `answers` is how many were judged. An accuracy of no answer is not there; empty where nothing could be judged.
    """
    found = [(calls(trajectory), outcome) for group in groups for trajectory, outcome in group.judged]
    if not found:
        return {}
    known = {
        "answers": float(len(found)),
        "share": sum(count > 0 for count, _ in found) / len(found),
        "per_answer": sum(count for count, _ in found) / len(found),
    }
    for name, has_call in (("right_with", True), ("right_without", False)):
        outcomes = [outcome for count, outcome in found if (count > 0) is has_call]
        if outcomes:
            known[name] = sum(outcomes) / len(outcomes)
    return known
