"""What credit is made of beyond verdicts: the verifier's scores, the critic's values, other models, auxiliary rollouts.

Each is asked only if the rewards or the algorithm of the round want it, and is charged to training.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ponder.algorithms.algorithm import RolloutSettings
from ponder.seeds import derive_seed
from ponder.selfplay.accounts import Part
from ponder.selfplay.coupling.reward import of_round
from ponder.selfplay.credit import Crediting, Scores
from ponder.selfplay.needs import asked_for, needs_verifier_scores
from ponder.selfplay.provers.reward import Prover, centred
from ponder.selfplay.scorers.scorers import Found
from ponder.selfplay.steps.parts import Parts
from ponder.types import Group, Trajectory, Verdict


def crediting(parts: Parts, round_number: int) -> Crediting:
    """From groups to credit with the rewards of this round; a verifier that is not asked costs nothing."""
    config = parts.config
    rewards = of_round(config.rewards, config.coupling, round_number)

    def scores(trajectories: Sequence[Trajectory]) -> list[Verdict]:
        parts.ledger.verifier += parts.verifier.scoring_flops(trajectories)
        return verdicts(parts, trajectories, "reward_scoring")

    score: Scores = scores
    if (provers := config.provers).enabled:
        rewards, score = (Prover(variant=provers.reward, started=round_number > 0),), centred(scores)
    return Crediting(
        rewards,
        config.algorithm,
        score=score if needs_verifier_scores(config, rewards) else None,
        values=(lambda trajectories: _values(parts, trajectories)) if parts.critic is not None else None,
        ask=(lambda groups: _others(parts, groups)) if asked_for(config) else None,
        formed=parts.generator.propose.formed,
    )


def verdicts(parts: Parts, trajectories: Sequence[Trajectory], purpose: str) -> list[Verdict]:
    """The verifier's verdicts by whole forwards, as work of their own."""
    started = time.monotonic()
    found = parts.verifier.score(trajectories)
    parts.did(purpose, Part(parts.verifier.scoring_flops(trajectories), time.monotonic() - started))
    return found


def _values(parts: Parts, trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
    critic = parts.critic
    assert critic is not None  # nobody asks without one
    started, flops = time.monotonic(), critic.values_flops(trajectories)
    values = critic.values(trajectories)
    parts.ledger.policy += flops
    parts.did("critic_values", Part(flops, time.monotonic() - started))
    return values


def _others(parts: Parts, groups: Sequence[Group]) -> Found:
    """Other models and auxiliary rollouts."""

    def did(purpose: str, part: Part | None) -> None:
        parts.ledger.credit += parts.sampled(purpose) if part is None else part.flops
        if part is not None:
            parts.did(purpose, part)

    algorithm = parts.config.algorithm
    return parts.scorers.ask(
        groups,
        asked_for(parts.config),
        algorithm if isinstance(algorithm, RolloutSettings) else None,
        parts.generator.propose,
        parts.reward_grade(parts.stream),
        parts.run,
        did,
        max_tokens=parts.config.sampling.max_tokens,
        seed=derive_seed("auxiliary", parts.stream),
    )
