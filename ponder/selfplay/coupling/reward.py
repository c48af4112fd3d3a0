"""The rewards of a round: those of the settings, with the verifier's score where the coupling asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.rewards.component import Component
from ponder.rewards.outcome import Outcome
from ponder.rewards.process import Process
from ponder.selfplay.coupling.settings import Coupling
from ponder.types import PonderError


def coupled(rewards: Sequence[Component], coupling: Coupling) -> tuple[Component, ...]:
    """What is paid once the verifier's score counts. PonderError if `rewards` couple the two by themselves already."""
    if coupling.kind == "outcome":
        return tuple(rewards)
    if any(isinstance(reward, Process) for reward in rewards):
        raise PonderError(
            f"coupling.kind={coupling.kind} adds the reward process, and `rewards` names it too; take it out there, or "
            "set coupling.kind=outcome to be paid by `rewards` alone"
        )
    shaped = Process(shape=coupling.shape, weight=coupling.weight)
    kept = [reward for reward in rewards if coupling.kind == "both" or not isinstance(reward, Outcome)]
    return (*kept, shaped)


def of_round(rewards: Sequence[Component], coupling: Coupling, round_number: int) -> tuple[Component, ...]:
    """What is paid in this round, counted from 0: before `coupling.after` rounds as if nothing was coupled."""
    return coupled(rewards, coupling) if round_number >= coupling.after else tuple(rewards)
