"""The self-play loop.

One round: problems from the source, groups of judged answers, rewards, credit, policy updates, step labels, verifier
update, ladder, and a report of all of it. The steps themselves are in `selfplay/steps`. Every random draw is derived
from (seed, round, update), so a run that is continued from the checkpoint of a round plays the next one exactly as it
would have been played.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ponder.environments import Match
from ponder.protocols import Grade, ProblemSource
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.ahead.make import sampler_of
from ponder.selfplay.config import Run
from ponder.selfplay.credit import Crediting
from ponder.selfplay.games.standing import standing
from ponder.selfplay.monitors.reward_hacking import Watch
from ponder.selfplay.report import Improvement, by_family_and_problem, rates, round_row, with_mean
from ponder.selfplay.roles import CriticRole, Generator, Restaging, VerifierRole
from ponder.selfplay.scorers.scorers import Scorers
from ponder.selfplay.stages import calls
from ponder.selfplay.stages.plan import of_round as of_stage
from ponder.selfplay.stages.turns import cells
from ponder.selfplay.steps.asking import crediting
from ponder.selfplay.steps.parts import Parts, RunAsync, Tell
from ponder.selfplay.steps.policy import drawn, improve_policy, rested
from ponder.selfplay.steps.verifier import improve_verifier, measure_verifier
from ponder.thinking import reading_of
from ponder.types import Group, PonderError, Problem


class SelfPlay(Parts):
    """Plays rounds; `ladder` are the validation problems on which they are compared."""

    def __init__(
        self,
        config: Run,
        generator: Generator,
        verifier: VerifierRole,
        source: ProblemSource,
        grade: Grade,
        ladder: Sequence[Problem],
        run: RunAsync[Any],
        tell: Tell,
        critic: CriticRole | None = None,
        scorers: Scorers | None = None,
    ) -> None:
        super().__init__(config, generator, verifier, source, grade, run, tell, critic, scorers)
        self.ladder = list(ladder)
        self.credit: Crediting = crediting(self, 0)
        self.watch = Watch(grade, config.seed, reading_of(generator.propose))
        self.played: list[list[Group]] = []  # the groups of each update of the latest round
        self.sampler = sampler_of(config, generator, partial(drawn, self))

    def enter(self, round_number: int) -> None:
        """Take the settings of the stage to which this round belongs; at its beginning the optimizer is fresh."""
        stage = of_stage(self.stages, round_number)
        if stage.index == self.stage.index:
            return
        trainer = self.generator.trainer
        if not isinstance(trainer, Restaging):
            raise PonderError(f"stage {stage.name}: {type(trainer).__name__} cannot go on with other settings")
        self.stage, self.config = stage, stage.config
        trainer.restage(stage.config.trainer, stage.config.loss, stage.steps)

    def start(self) -> dict[str, Any]:
        """The row before any training: where the ladder begins."""
        ladder = self.climb()
        row = {
            "round": -1,
            "flops": 0.0,
            "validation": with_mean(rates(ladder)),
            "ladder": by_family_and_problem(ladder),
        }
        return {**row, "metrics": self._standing(), "turns": cells(ladder), "calls": self._calls(ladder)}

    def play(self, round_number: int) -> dict[str, Any]:
        """One round; returns its row of the report."""
        started = time.monotonic()
        self.meter.take()  # what came before this round is not its work
        self.parts = {}
        self.enter(round_number)
        self.credit = crediting(self, round_number)
        updates = [self.update(round_number, u) for u in range(self.config.updates)]
        rested(self, updates[-1].groups)
        self.played = [[*update.groups, *update.proposals] for update in updates]
        groups = [group for update in updates for group in update.groups]
        improve_verifier(self, groups, round_number)
        ladder = self.climb()
        quality, agreed = measure_verifier(self, ladder, round_number)
        proposals = [group for update in updates for group in update.proposals]
        watched = self.watch.look(round_number, groups, proposals)
        self.ledger.seconds += time.monotonic() - started
        levels = getattr(self.source, "levels", None)
        row = round_row(round_number, self.ledger, self.parts, levels, updates, ladder, quality, watched)
        turned = {f"turns/{name}": share for name, share in cells(groups).items()}
        called = {f"calls/{name}": value for name, value in self._calls(groups).items()}
        row["metrics"] |= {**self._standing(), **turned, **called, **getattr(self.verifier, "measured", {})}
        named = {"stage": self.stage.index, "stage_name": self.stage.name} if self.stage.name else {}
        return {**row, **named, "agreement": agreed, "turns": cells(ladder), "calls": self._calls(ladder)}

    def update(self, round_number: int, number: int) -> Improvement:
        """One update of the policy with the rewards of the round that was entered."""
        return improve_policy(self, self.credit, round_number, number)

    def climb(self) -> list[Group]:
        """Two answers to each validation problem: the ladder on which rounds are compared. Not charged to training.

        In an environment of several turns they are whole episodes; a game's strength is measured by `standing`.
        """
        seed, most = derive_seed("ladder", self.config.seed), self.config.sampling.max_tokens
        drawn = collect(
            self.ladder,
            self.generator.propose,
            self.grade,
            group_size=2,
            max_tokens=most,
            seed=seed,
            environment=None if isinstance(self.config.environment, Match) else self.config.environment,
        )
        groups = list(self.run(drawn))
        self.sampled("measuring")
        return groups

    def _calls(self, groups: Sequence[Group]) -> dict[str, float]:
        """How tools were used; nothing where there are none."""
        return calls.shares(groups) if self.config.tools.use else {}

    def _standing(self) -> dict[str, float]:
        """How strong the policy plays the games that it plays against itself; not charged to training."""
        if not isinstance(self.config.environment, Match):
            return {}
        seed, most = derive_seed("standing", self.config.seed), self.config.sampling.max_tokens
        found: dict[str, float] = self.run(standing(self.ladder, self.generator.propose, max_tokens=most, seed=seed))
        self.sampled("measuring")
        return found
