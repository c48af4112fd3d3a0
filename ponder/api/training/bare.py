"""Training alone: rounds of a run until so much work is done, without a folder, control arms or measuring.

For recipes that compare many arms at equal work. What an arm was measured by in each round is in its rows, and the
answers to the validation problems are kept, so that they can be scored again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ponder.api.problems import ground_truth, load_families
from ponder.api.training.stage import Start, curriculum, prepared, proposing
from ponder.engines.loop import run as run_async
from ponder.evaluation.suite import build_suite
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay
from ponder.selfplay.proposer.make import source_of
from ponder.selfplay.roles import VerifierRole
from ponder.types import Group


@dataclass(frozen=True)
class Played:
    """What came of an arm: the rows of its rounds (the first is before training), ladders, and its models."""

    start: Start
    play: SelfPlay
    rows: list[dict[str, Any]]
    ladders: list[list[Group]]

    @property
    def flops(self) -> float:
        return self.play.ledger.flops


def play_until(
    config: Run,
    *,
    flops: float = math.inf,
    tell: Callable[[dict[str, Any]], None] = lambda _: None,
    verifier: Callable[[Start], VerifierRole] | None = None,
) -> Played:
    """Play `config.rounds` rounds, or fewer: the one that passes `flops` is the last.

    `verifier` makes what takes the place of the run's own verifier, for example a reward model that stands still.
    """
    needs.check(config)
    families = load_families(config.problems)
    start = prepared(config, families)
    ladder = build_suite(families, config.evaluation.ladder, split="validation", seed=config.seed).problems
    ladders: list[list[Group]] = []
    with ground_truth(families) as truth:
        play = SelfPlay(
            config,
            start.generator,
            start.verifier if verifier is None else verifier(start),
            source_of(
                config.source,
                families,
                start.generator.propose,
                curriculum(config, families),
                seed=config.seed,
                other=lambda name: proposing(config, name),
            ),
            truth.grade,
            ladder,
            run_async,
            lambda *_: None,
            start.critic,
            start.scorers,
        )
        climb = play.climb

        def kept() -> list[Group]:
            ladders.append(climb())
            return ladders[-1]

        play.climb = kept  # type: ignore[method-assign]  # the answers behind each row
        rows = [play.start()]
        for number in range(config.rounds):
            rows.append(play.play(number))
            tell(rows[-1])
            if play.ledger.flops >= flops:
                break
    return Played(start, play, rows, ladders)


def at_work(rows: list[dict[str, Any]], flops: float) -> float | None:
    """Mean validation accuracy at `flops`, between the rows around it; the last row's beyond its end."""
    points = [(row["flops"], mean_of(row)) for row in rows]
    known = [(x, y) for x, y in points if y is not None]
    if not known:
        return None
    for (x0, y0), (x1, y1) in itertools.pairwise(known):
        if x0 <= flops <= x1:
            return y0 if x1 == x0 else y0 + (y1 - y0) * (flops - x0) / (x1 - x0)
    return known[-1][1]


def mean_of(row: dict[str, Any]) -> float | None:
    """The mean validation accuracy of a row; the first one has no mean of its own."""
    rates = {name: value for name, value in row["validation"].items() if name != "mean"}
    return sum(rates.values()) / len(rates) if rates else None
