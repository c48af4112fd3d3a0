"""The control arm: which demonstrations it learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.countdown import Countdown
from ponder.protocols import Family
from ponder.selfplay.config import Control
from ponder.selfplay.control import clone
from ponder.types import Sample


class Listener:
    """A learner that notes what it is shown, at one FLOP an update."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def update(self, samples: Sequence[Sample], **how: Any) -> Any:
        self.ids += [sample.id for sample in samples]
        return SimpleNamespace(flops=1.0, steps=1, seconds=0.0, loss=0.5)


def test_each_family_shows_its_own_problems_from_the_first_and_leaves_none_out() -> None:
    listener: Any = Listener()
    families: list[Family] = [Arithmetic(), Countdown()]
    codec = Codec(load("tiny").tokenizer)
    report = clone(
        listener, codec, families, flops=3.0, settings=Control(batch=4), seed=7, tell=lambda done, total: None
    )
    assert report.steps == 3
    expected = [family.problem(i, split="train", seed=7).id for family in families for i in range(6)]
    assert Counter(listener.ids) == Counter(expected)
