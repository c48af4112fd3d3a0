"""Which settings hold in which round. A run without stages is one stage with the run's own settings."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.config import changed
from ponder.selfplay.config import Run
from ponder.types import PonderError

# The top of a setting that a stage may change, and those below that are made once for the whole run.
MAY = ("rewards", "coupling", "algorithm", "loss", "sampling", "trainer", "verifier")
ONCE = (
    "coupling.weights",
    "coupling.learning_rate",
    "coupling.clone",
    "sampling.temperature",
    "sampling.top_p",
    "sampling.separator",
    "sampling.max_tokens",
    "trainer.lora_rank",
    "trainer.lora_alpha",
    "trainer.backend",
    "trainer.precision",
    "trainer.gradient_checkpointing",
    "trainer.from_start",
    "verifier.depth",
    "verifier.trainer",
    "verifier.batch",
    "verifier.aggregation",
)


@dataclass(frozen=True)
class Planned:
    """Stage number `index` (from 0): its settings, its first round and how many it has."""

    index: int
    name: str
    config: Run
    first: int
    rounds: int

    @property
    def steps(self) -> int:
        """Optimizer steps of the policy in the stage."""
        trainer = self.config.trainer
        return self.rounds * self.config.updates * trainer.minibatches * trainer.epochs


def plan(config: Run) -> list[Planned]:
    """The stages in order. PonderError for rounds that do not add up and for what no stage may change."""
    if not config.stages:
        return [Planned(0, "", config, 0, config.rounds)]
    total = sum(stage.rounds for stage in config.stages)
    if total != config.rounds:
        raise PonderError(
            f"the stages have {total} rounds together and the run has {config.rounds}; set rounds={total}"
        )
    found: list[Planned] = []
    for index, stage in enumerate(config.stages):
        for text in stage.set:
            _allowed(stage.name, text.partition("=")[0].strip())
        first = sum(planned.rounds for planned in found)
        found.append(Planned(index, stage.name, changed(config, stage.set), first, stage.rounds))
    return found


def of_round(stages: list[Planned], number: int) -> Planned:
    """The stage that round `number` belongs to; before the first round and after the last the nearest."""
    return next((stage for stage in reversed(stages) if number >= stage.first), stages[0])


def _allowed(stage: str, key: str) -> None:
    if key.partition(".")[0] not in MAY or any(key == once or key.startswith(f"{once}.") for once in ONCE):
        raise PonderError(
            f"stage {stage} changes {key}, which holds for a whole run; a stage may change {', '.join(MAY)}, but not "
            f"{', '.join(ONCE)}"
        )
