"""Whether the answer has the asked-for form: it ended by itself and there is an answer where the frame wants one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded
from ponder.thinking import formed


class Format(Component):
    """1 for a response that ended by itself with an answer in its place, else 0.

    The place is that of the model's frame: behind the thinking, in a box, a block or tags. Both are asked for, since
    a mark alone is easily written and pays nothing here: an empty answer earns 0.
    """

    kind: Literal["format"] = "format"
    weight: float = 0.1
    source: ClassVar[str] = "DeepSeek-R1 (arXiv 2501.12948, section 2.2.2)"

    def pay(self, graded: Graded) -> Sequence[float]:
        of = graded.formed or formed
        return [float(of(trajectory)) for trajectory in graded.trajectories_G]
