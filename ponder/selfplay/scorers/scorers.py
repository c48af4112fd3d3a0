"""All that a run's credit rule and rewards ask for beyond the verdicts, asked once an update."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from ponder.algorithms.algorithm import RolloutSettings
from ponder.protocols import Grade, Propose, WeightedEngine
from ponder.selfplay.accounts import Meter, Part
from ponder.selfplay.scorers.frozen import FrozenScorer
from ponder.selfplay.scorers.implicit import ImplicitReward
from ponder.selfplay.scorers.judging import JudgeOf, agreement, judged
from ponder.selfplay.scorers.rollouts import Outcomes, rolled_out
from ponder.types import Group, Verdict


@dataclass
class Prover:
    """Another policy that auxiliary rollouts are drawn from, and its engine, whose work is counted apart."""

    propose: Propose
    engine: WeightedEngine
    model: PreTrainedModel

    def __post_init__(self) -> None:
        self.meter = Meter(self.engine, self.model.config)


@dataclass(frozen=True)
class Found:
    """For each judged trajectory of an update, in order, what was asked; empty lists for what was not."""

    rollouts: list[tuple[Outcomes, ...]] = field(default_factory=list)
    implicit: list[tuple[float, ...]] = field(default_factory=list)
    teacher: list[tuple[float, ...]] = field(default_factory=list)
    reference: list[tuple[float, ...]] = field(default_factory=list)
    judged: list[Verdict] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class Scorers:
    """The other models of a run; None where nothing asks for one."""

    reference: FrozenScorer | None = None
    teacher: FrozenScorer | None = None
    implicit: ImplicitReward | None = None
    prover: Prover | None = None
    judge: JudgeOf | None = None

    def ask(
        self,
        groups: Sequence[Group],
        wanted: Set[str],
        settings: RolloutSettings | None,
        policy: Propose,
        grade: Grade,
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        did: Callable[[str, Part | None], None],
        *,
        max_tokens: int,
        seed: int,
    ) -> Found:
        """Everything about the judged trajectories of `groups`. `did` hears of each piece of work (None: the engine's).

        `wanted` names what the present rules ask for (`needs.asked_for`); `settings` None: no rollouts.
        """
        judged_pairs = [pair for group in groups for pair in group.judged]
        trajectories = [trajectory for trajectory, _ in judged_pairs]
        found = Found()
        if settings is not None:
            propose = policy if self.prover is None else self.prover.propose
            rows, drawn = run(rolled_out(groups, propose, grade, settings, max_tokens=max_tokens, seed=seed))
            found.rollouts.extend(rows)
            found.metrics["auxiliary_rollouts"] = float(drawn)
            did("auxiliary_rollouts", None if self.prover is None else self.prover.meter.take())
        for name, scorer, into in (
            ("teacher", self.teacher, found.teacher),
            ("reference", self.reference, found.reference),
        ):
            if scorer is not None and name in wanted:
                logprobs, part = scorer.logprobs(trajectories)
                into.extend(logprobs)
                did(f"{name}_scoring", part)
        if self.implicit is not None and "implicit" in wanted:
            rewards, part, metrics = self.implicit(trajectories, [outcome for _, outcome in judged_pairs])
            found.implicit.extend(rewards)
            found.metrics.update(metrics)
            did("implicit_reward", part)
        if self.judge is not None and "judge" in wanted:
            verdicts = run(judged(self.judge(policy), policy, trajectories))
            found.judged.extend(verdicts)
            found.metrics.update(agreement(verdicts, [outcome for _, outcome in judged_pairs]))
            did("judging", None)
        return found

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {} if self.implicit is None else self.implicit.tensors()

    def counters(self) -> dict[str, int] | None:
        return None if self.implicit is None else self.implicit.counters()

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int] | None) -> None:
        if self.implicit is not None and counters is not None:
            self.implicit.load(tensors, counters)
