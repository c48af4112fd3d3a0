"""Chains of many problems: sample, make, check each chain with ground truth again, count what was made and why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ponder.factory.chain import Chain
from ponder.factory.errors import FirstError
from ponder.factory.methods.corrections import continuations, corrections
from ponder.factory.methods.pivots import pivots
from ponder.factory.methods.rejection import rejection
from ponder.factory.methods.roles import roles
from ponder.factory.work import TURN, Role, Work
from ponder.labels.rollouts import Rollouts, Source
from ponder.names import known
from ponder.protocols import Grade
from ponder.search.common import together
from ponder.types import Problem

Method = Callable[[Work], Awaitable[list[Chain]]]
METHODS: dict[str, Method] = {
    "rejection": rejection,
    "pivots": pivots,
    "corrections": corrections,
    "continuations": continuations,
    "roles": roles,
}


@dataclass(frozen=True)
class Settings:
    """`samples` a problem, at most `most` chains of a method, `draws` continuations after a good prefix."""

    methods: tuple[str, ...] = ("rejection", "pivots", "corrections")
    samples: int = 8
    most: int = 4
    draws: int = 4
    turn: str = TURN
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.methods:
            known("way to make chains", name, METHODS)


@dataclass
class Made:
    """Chains that ground truth accepts, what they cost in generated tokens, and what was lost on the way.

    `refused` counts chains by method that ground truth did not accept, `why` the reasons for which none was made.
    """

    chains: list[Chain] = field(default_factory=list)
    tokens: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Factory:
    """`source` samples and continues; `roles` are asked by the method of that name."""

    source: Source
    first_error: FirstError
    roles: Mapping[str, Role]
    model: str
    grade: Grade
    settings: Settings = Settings()

    async def make(self, problems: Sequence[Problem], *, round_number: int = 0) -> Made:
        """The chains of all problems, problems in order and methods in order within each."""
        made = Made()
        for work, chains in await together([self._one(problem) for problem in problems]):
            if work is None:
                made.why["nothing could be sampled"] += 1
                continue
            made.tokens += work.rollouts.spent + work.tokens
            made.why += work.why
            verdicts = self.grade([chain.problem for chain in chains], [chain.text for chain in chains])
            for chain, verdict in zip(chains, verdicts, strict=True):
                if verdict.outcome == 1.0:
                    made.chains.append(replace(chain, outcome=1.0, round=round_number))
                else:
                    made.refused[f"{chain.method}: {verdict.failure or 'wrong'}"] += 1
        return made

    async def _one(self, problem: Problem) -> tuple[Work | None, list[Chain]]:
        rollouts, settings = Rollouts(problem, self.source), self.settings
        group = await rollouts.group(settings.samples)
        if group is None:
            return None, []
        work = Work(
            problem,
            group,
            rollouts,
            self.first_error,
            self.roles,
            self.model,
            turn=settings.turn,
            most=settings.most,
            draws=settings.draws,
            seed=settings.seed,
        )
        return work, [chain for name in settings.methods for chain in await METHODS[name](work)]
