"""Whether the answer has the asked-for form: it ended by itself and there is an answer behind the thinking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded
from ponder.thinking import final_answer
from ponder.types import StopReason, Trajectory


class Format(Component):
    """1 for a response that ended by itself with an answer behind its thinking, else 0.

    Both are asked for, since a mark alone is easily written and pays nothing here: an empty answer earns 0.
    """

    kind: Literal["format"] = "format"
    weight: float = 0.1
    source: ClassVar[str] = "DeepSeek-R1 (arXiv 2501.12948, section 2.2.2)"

    def pay(self, graded: Graded) -> Sequence[float]:
        return [float(_formed(trajectory)) for trajectory in graded.trajectories_G]


def _formed(trajectory: Trajectory) -> bool:
    return trajectory.stop is StopReason.END and bool(final_answer(trajectory.text))
