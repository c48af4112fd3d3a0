"""The control arm: behaviour cloning continued from the same start, for the same work, on fresh demonstrations.

If more training of any kind explained the gain of self-play, this arm would show it too. Demonstrations are of the
training split, at the levels that the run's families name, families in turn; the trainer is the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ponder.learning.policy import PolicyTrainer
from ponder.learning.samples import demonstration
from ponder.policy.codec import Codec
from ponder.policy.frames.frame import Frame
from ponder.policy.prompts import Prompts
from ponder.protocols import Demonstrated, Family
from ponder.selfplay.config import Control
from ponder.types import Sample


@dataclass(frozen=True)
class CloningReport:
    """`flops` and `seconds` of the updates, optimizer `steps` made, mean loss in nats a token of the last ten."""

    flops: float
    steps: int
    loss: float | None
    seconds: float | None = None


def can_clone(families: Sequence[Family]) -> bool:
    """Whether every family has demonstrations; without them there is no control arm."""
    return all(isinstance(family, Demonstrated) for family in families)


def clone(
    trainer: PolicyTrainer,
    codec: Codec,
    families: Sequence[Family],
    *,
    flops: float,
    settings: Control,
    seed: int,
    tell: Callable[[float, float], None],
    frame: Frame | None = None,
) -> CloningReport:
    """Train on demonstrations until `flops` are spent; `tell` hears (spent, total) after each step."""
    prompts = Prompts(codec, frame=frame)
    spent, seconds, drawn, steps = 0.0, 0.0, 0, 0
    losses: list[float] = []
    while spent < flops:
        batch = [_row(families, drawn + i, seed, codec, prompts) for i in range(settings.batch)]
        report = trainer.update(batch)
        drawn, steps = drawn + len(batch), steps + report.steps
        spent, seconds = spent + report.flops, seconds + report.seconds
        if report.loss is not None:
            losses.append(report.loss)
        tell(min(spent, flops), flops)
    last = losses[-10:]
    return CloningReport(spent, steps, sum(last) / len(last) if last else None, seconds)


def _row(families: Sequence[Family], index: int, seed: int, codec: Codec, prompts: Prompts) -> Sample:
    family = families[index % len(families)]
    problem = family.problem(index // len(families), split="train", seed=seed)
    assert isinstance(family, Demonstrated), family.name  # `can_clone` was asked first
    worked = prompts.frame.demonstrated(problem.question, family.demonstration(problem, seed))
    response = (*codec.encode(worked), codec.eos_id)
    return demonstration(problem.id, prompts.tokens(problem.question), response)
