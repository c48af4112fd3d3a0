"""Credit for what the policy did for its source of problems: each proposal less the mean of its group (Dr. GRPO).

Proposals are paid by the solver's rate alone: reward components, a verifier and a critic are for answers. A proposal
whose answers could not be judged gets no credit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ponder.algorithms.dr_grpo import DrGRPO
from ponder.rewards.outcome import Outcome
from ponder.selfplay.credit import Crediting
from ponder.types import Credit, Group


@dataclass(frozen=True)
class Taught:
    """Groups of proposals, their credit, and what the source measured."""

    groups: tuple[Group, ...] = ()
    credits_PG: tuple[tuple[Credit, ...], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def credit_of(groups: Sequence[Group], metrics: Mapping[str, float]) -> Taught:
    """The credit of every judged proposal."""
    credited = Crediting((Outcome(),), DrGRPO())(groups)
    return Taught(tuple(groups), credited.credits.credits_PG, metrics)
