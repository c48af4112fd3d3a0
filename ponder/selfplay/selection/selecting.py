"""The data selection of a run as one object: what the loop asks of it, and its state for checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from ponder.protocols import Grade, ProblemSource, Propose
from ponder.rollout.collect import Collected
from ponder.selfplay.provers.roles import is_sneaky
from ponder.selfplay.selection.asking import Asking
from ponder.selfplay.selection.mixed import further, is_mixed, mixed
from ponder.selfplay.selection.rationalise import rationalised
from ponder.selfplay.selection.replay import ReplayBuffer
from ponder.selfplay.selection.settings import Selection
from ponder.types import Group, Problem

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Selecting:
    """`memory` is what the credit rule remembers from one update to the next."""

    def __init__(self, settings: Selection, seed: int) -> None:
        self.settings = settings
        self.asking = Asking(settings.retire, settings.length_targets, seed)
        self.replay = ReplayBuffer(settings.replay, seed)
        self.memory: dict[str, float] = {}

    def draw(
        self, source: ProblemSource, wanted: int, run: Run, answered: Callable[[Sequence[Problem], int], Collected]
    ) -> tuple[list[Group], dict[str, float]]:
        """All groups drawn for one update, and what was measured; `answered(problems, attempt)` draws them.

        With `refill`, draws go on until `wanted` groups are mixed, or the bound on tries is met.
        """
        groups: list[Group] = []
        metrics: dict[str, float] = {}
        count = wanted
        for attempt in range(1 + self.settings.refill):
            drawn = answered(run(self.asking.take(source, count)), attempt)
            groups += drawn
            metrics |= drawn.metrics
            source.observe([group for group in drawn if not is_sneaky(group.problem)])
            self.asking.observe(drawn)
            count = further(groups, wanted)
            if not count:
                break
        share = len(mixed(groups)) / len(groups) if groups else 0.0
        metrics |= {"mixed_share": share, **self.asking.metrics()}
        if self.settings.refill:
            metrics |= {"refills": float(attempt), "drawn_groups": float(len(groups))}
        return groups, metrics

    def kept(self, groups: Sequence[Group], wanted: int) -> list[Group]:
        """The groups to learn from: the first `wanted` mixed ones with `refill`, else all."""
        return mixed(groups)[:wanted] if self.settings.refill else list(groups)

    def rationalise(
        self, groups: Sequence[Group], run: Run, propose: Propose, grade: Grade, *, max_tokens: int, seed: int
    ) -> tuple[list[Group], dict[str, float]]:
        """Groups with hinted answers where nothing was right, if that is asked for."""
        tries = self.settings.rationalise
        if not tries:
            return list(groups), {}
        found: tuple[list[Group], dict[str, float]] = run(
            rationalised(groups, propose, grade, tries=tries, max_tokens=max_tokens, seed=seed)
        )
        return found

    def left_out(self, groups: Sequence[Group], learned: Sequence[Group]) -> int:
        """Groups without a gradient that are not learned from."""
        kept = {id(group) for group in learned}
        return sum(not is_mixed(group) for group in groups if id(group) not in kept) if self.settings.refill else 0

    def state(self) -> dict[str, Any]:
        return {"asking": self.asking.state(), "replay": self.replay.state(), "memory": dict(self.memory)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was read; an empty one (of an earlier version) changes nothing."""
        self.asking.load_state(state.get("asking", {}))
        self.replay.load_state(state.get("replay", {}))
        self.memory = dict(state.get("memory", {}))
