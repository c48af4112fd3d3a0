"""The players: a generator that proposes steps, a verifier that judges them and, for some algorithms, a critic.

Each owns a model that learns and what serves it. The generator samples from an engine that holds its own copy of the
weights and takes new ones by version, exactly as a remote engine would. The loop knows the protocols; tests put in
others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.engines.local.engine import LocalEngine
from ponder.engines.parity import Parity, module_logprobs
from ponder.engines.publish import publish
from ponder.labels.labelled import Labelled
from ponder.learning.checkpoints.state import LearnerState, restore_weights
from ponder.learning.critic import CriticReport, CriticTrainer
from ponder.learning.policy import PolicyTrainer
from ponder.learning.process import StepLearner, StepRow
from ponder.learning.report import UpdateReport
from ponder.learning.samples import mask
from ponder.learning.settings import TrainerSettings
from ponder.losses.loss import Loss
from ponder.losses.normalisation import LeftOut
from ponder.models.depth import shallower
from ponder.models.heads import step_verifier
from ponder.models.size import forward_flops, parameters, training_flops
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Judge, WeightedEngine
from ponder.seeds import derive_seed
from ponder.selfplay.config import Parity as ParitySettings
from ponder.selfplay.config import Run
from ponder.selfplay.stages.plan import plan
from ponder.types import PonderError, Sample, Trajectory, Verdict
from ponder.verifiers.learned.common.batched import step_ends
from ponder.verifiers.learned.process.judge import ProcessVerifier

MUCH = 256 << 20  # bytes that are worth taking anew


class Trainer(Protocol):
    """What the loop asks of whoever trains the policy."""

    def update(self, samples: Sequence[Sample], left_out: LeftOut | None = None) -> UpdateReport: ...

    def weights(self) -> dict[str, Tensor]: ...

    def state(self) -> LearnerState: ...

    def load_state(self, state: LearnerState) -> None: ...


@runtime_checkable
class Restaging(Protocol):
    """A trainer that can go on with another loss and other settings (`stages`)."""

    def restage(self, settings: TrainerSettings, loss: Loss, total_steps: int) -> None: ...


@runtime_checkable
class Resting(Protocol):
    """A learner that can give memory back between two updates."""

    def rest(self) -> None: ...


@runtime_checkable
class Finishing(Protocol):
    """A learner that can give memory back after its last step."""

    def finish(self) -> None: ...


class VerifierRole(Protocol):
    """What the loop asks of the verifier. `judge` is its form for searches (None: there is none)."""

    @property
    def judge(self) -> Judge | None: ...

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        """Learn from labelled steps; the loss and the work in FLOPs."""
        ...

    def score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Verdicts with a score for each step."""
        ...

    def scoring_flops(self, trajectories: Sequence[Trajectory]) -> float: ...

    def tensors(self) -> dict[str, dict[str, Tensor]]: ...

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None: ...

    def counters(self) -> dict[str, int]: ...


class CriticRole(Protocol):
    """What the loop asks of the critic."""

    @property
    def warming_up(self) -> bool: ...

    def values(self, trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]: ...

    def values_flops(self, trajectories: Sequence[Trajectory]) -> float: ...

    def update(self, samples: Sequence[Sample]) -> CriticReport: ...

    def tensors(self) -> dict[str, dict[str, Tensor]]: ...

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None: ...

    def counters(self) -> dict[str, int]: ...


Texts = Sequence[tuple[Sequence[int], Sequence[int]]]  # prompts and continuations


@dataclass
class Generator:
    """The policy: `trainer` changes its weights, `propose` asks the engine that samples from them.

    `check` (None: there is no check) compares the engine with the trainer's model on some texts after an update; it
    returns the difference of their log-probabilities, and raises PonderError if it is too large.
    """

    trainer: Trainer
    propose: PolicyPropose
    engine: WeightedEngine
    model: PreTrainedModel
    check: Callable[[Texts, int], Awaitable[float | None]] | None = None

    def release(self) -> None:
        """Let the engine give back what is much and of no use while the trainer works: it needs the memory now.

        Those are keys and values, and weights laid out for sampling, which the next version makes anew in any case.
        """
        if isinstance(self.engine, LocalEngine):
            kept = self.engine.kept
            texts = kept.cell_memory + kept.row_memory >= MUCH
            weights = kept.weight_memory >= MUCH
            if texts or weights:
                self.engine.release(texts=texts, weights=weights)

    async def publish(self, version: int, texts: Texts = ()) -> float | None:
        """Make the trainer's weights live in the engine as `version`, then check them on `texts`."""
        if isinstance(self.trainer, Resting):
            self.trainer.rest()
        await publish(self.engine, self.trainer.weights(), version, self.model.config)
        return await self.check(texts, version) if self.check is not None else None


def parity_check(
    engine: WeightedEngine, model: PreTrainedModel, settings: ParitySettings, *, half: bool, seed: int
) -> Callable[[Texts, int], Awaitable[float | None]]:
    """The check of a run; the number is what is compared with what is allowed."""
    parity = Parity(
        half=half,
        allowed=settings.allowed or None,
        every=settings.every,
        texts=settings.texts,
        tokens=settings.tokens,
        seed=seed,
    )

    async def check(texts: Texts, version: int) -> float | None:
        gap = await parity.check(engine, partial(module_logprobs, model), texts, version)
        return None if gap is None else gap.measure

    return check


def policy_trainer(model: PreTrainedModel, config: Run, loss: Loss | None = None) -> PolicyTrainer:
    """The trainer of a run's policy in its first stage; `loss` None is the run's own."""
    stages = plan(config)
    first = stages[0]
    return PolicyTrainer(
        model,
        first.config.trainer,
        loss or first.config.loss,
        temperature=config.sampling.temperature,
        longest=config.sampling.max_tokens,
        total_steps=first.steps,
        seed=config.seed,
        reference=any(stage.config.loss.keeps_reference for stage in stages),
    )


class Verifier:
    """The process verifier: learns from labelled steps, serves search and rewards as a judge."""

    def __init__(self, policy: PreTrainedModel, propose: PolicyPropose, config: Run) -> None:
        self.settings = config.verifier
        self.seed = config.seed
        self.prompt = propose.prompts.tokens
        whole = step_verifier(policy, derive_seed("verifier head", config.seed))
        self.model = shallower(whole, self.settings.depth)
        self.learner = StepLearner(self.model, self.settings.trainer, batch=self.settings.batch)
        self.judge: ProcessVerifier = ProcessVerifier(
            self.model,
            self.prompt,
            policy_parameters=parameters(policy),
            aggregation=self.settings.aggregation,
        )

    def row(self, labelled: Labelled) -> StepRow:
        """Labelled steps as token positions."""
        trajectory = labelled.trajectory
        tokens = self.prompt(trajectory.question) + trajectory.tokens
        ends = step_ends(len(tokens), trajectory)
        where = tuple(ends[label.step] for label in labelled.labels)
        return StepRow(trajectory.question.id, tokens, where, tuple(label.value for label in labelled.labels))

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        """Fit on labelled steps; returns the last epoch's cross entropy and the work done in FLOPs."""
        rows = [self.row(item) for item in labelled]
        loss = None
        for epoch in range(self.settings.epochs):
            generator = torch.Generator().manual_seed(derive_seed("verifier", self.seed, round_number, epoch) % 2**31)
            loss = self.learner.fit(rows, generator).loss
        once = training_flops(self.model.config, [len(row.tokens) for row in rows], heads=0)
        return loss, self.settings.epochs * once

    def score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return self.judge.judge(trajectories)

    def scoring_flops(self, trajectories: Sequence[Trajectory]) -> float:
        return sum(forward_flops(self.model.config, len(self.judge.row(t)), heads=0) for t in trajectories)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        weights = {name: p.detach() for name, p in self.model.named_parameters()}
        return {"verifier": weights, "verifier_optimizer": self.learner.core.tensors()}

    def counters(self) -> dict[str, int]:
        return self.learner.core.counters()

    def finish(self) -> None:
        """No step follows; the judge stays."""
        self.learner.core.finish()

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None:
        restore_weights(self.model, tensors["verifier"])
        self.learner.core.load(tensors.get("verifier_optimizer", {}), counters)


class NoVerifier:
    """The place of the verifier in a run without one: nothing learns, nothing is kept, and nobody may ask it."""

    judge = None

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        return None, 0.0

    def score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        raise PonderError("this run trains no verifier and cannot score answers; set verifier.enabled=true")

    def scoring_flops(self, trajectories: Sequence[Trajectory]) -> float:
        return 0.0

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def counters(self) -> dict[str, int]:
        return {}

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None:
        """There is nothing to load."""


class Critic:
    """The value network behind trajectories: rows in, values out."""

    def __init__(self, policy: PreTrainedModel, propose: PolicyPropose, config: Run) -> None:
        self.trainer = CriticTrainer(policy, config.critic, derive_seed("critic", config.seed))
        self.prompt = propose.prompts.tokens

    @property
    def warming_up(self) -> bool:
        return self.trainer.warming_up

    def values(self, trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        return self.trainer.values(self._rows(trajectories))

    def values_flops(self, trajectories: Sequence[Trajectory]) -> float:
        return self.trainer.values_flops(self._rows(trajectories))

    def update(self, samples: Sequence[Sample]) -> CriticReport:
        return self.trainer.update(samples)

    def _rows(self, trajectories: Sequence[Trajectory]) -> list[Sample]:
        return [Sample(t.question.id, self.prompt(t.question), t.tokens, (), mask(t)) for t in trajectories]

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        weights = {name: p.detach() for name, p in self.trainer.model.named_parameters()}
        return {"critic": weights, "critic_optimizer": self.trainer.core.tensors()}

    def finish(self) -> None:
        """No step follows."""
        self.trainer.core.finish()

    def counters(self) -> dict[str, int]:
        return {**self.trainer.core.counters(), "updates": self.trainer.updates}

    def load(self, tensors: dict[str, Any], counters: dict[str, int]) -> None:
        restore_weights(self.trainer.model, tensors["critic"])
        self.trainer.core.load(tensors.get("critic_optimizer", {}), counters)
        self.trainer.updates = counters["updates"]
