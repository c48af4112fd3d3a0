"""The two players: a generator that proposes steps and a verifier that judges them.

Each owns a model that learns and what serves it. The generator samples from an engine that holds its own copy of the
weights and takes new ones by version, exactly as a remote engine would.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from ponder.learning.learner import Learner
from ponder.learning.learner_config import LearnerConfig
from ponder.learning.process import StepLearner, StepRow
from ponder.models.depth import shallower
from ponder.models.heads import step_verifier
from ponder.models.size import parameters, training_flops
from ponder.policy.propose import PolicyPropose
from ponder.protocols import WeightedEngine
from ponder.rollout.step_labels import Labelled
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.verifiers.learned.process.judge import ProcessVerifier, step_ends


@dataclass
class Generator:
    """The policy: `learner` changes its weights, `propose` asks the engine that samples from them."""

    learner: Learner
    propose: PolicyPropose
    engine: WeightedEngine

    @property
    def model(self) -> PreTrainedModel:
        return self.learner.model

    def publish(self, version: int) -> None:
        """Hand the learner's weights to the engine."""
        self.engine.replace_weights(self.learner.weights(), version)


def learner_config(config: Run) -> LearnerConfig:
    policy = config.policy
    return LearnerConfig(
        learning_rate=policy.learning_rate,
        clip_low=policy.clip_low,
        clip_high=policy.clip_high,
        kl_coefficient=policy.kl,
        normalisation=policy.normalisation,
        constant_length=config.sampling.max_tokens,
        temperature=config.sampling.temperature,
        minibatches=policy.minibatches,
        micro_tokens=policy.micro_tokens,
        precision=policy.precision,
        schedule="constant" if policy.final_rate == 1 else "linear",
        total_steps=config.rounds * config.updates * policy.minibatches,
        final_rate=policy.final_rate,
        seed=config.seed,
    )


class Critic:
    """The process verifier: learns from labelled steps, serves search as a judge."""

    def __init__(self, generator: Generator, config: Run) -> None:
        self.settings = config.verifier
        self.seed = config.seed
        self.prompt = generator.propose.prompts.tokens
        whole = step_verifier(generator.model, derive_seed("verifier head", config.seed))
        self.model = shallower(whole, self.settings.depth)
        self.learner = StepLearner(self.model, learning_rate=self.settings.learning_rate, batch=self.settings.batch)
        self.judge = ProcessVerifier(
            self.model,
            self.prompt,
            policy_parameters=parameters(generator.model),
            aggregation=self.settings.aggregation,
        )

    def row(self, labelled: Labelled) -> StepRow:
        """Labelled steps as token positions."""
        trajectory = labelled.trajectory
        tokens = self.prompt(trajectory.question) + trajectory.tokens
        ends = step_ends(len(tokens), trajectory)
        where = tuple(ends[label.step] for label in labelled.labels)
        return StepRow(trajectory.question.id, tokens, where, tuple(label.value for label in labelled.labels))

    def train(self, labelled: list[Labelled], round_number: int) -> tuple[float | None, float]:
        """Fit on labelled steps; returns the last epoch's cross entropy and the work done in FLOPs."""
        rows = [self.row(item) for item in labelled]
        loss = None
        for epoch in range(self.settings.epochs):
            generator = torch.Generator().manual_seed(derive_seed("verifier", self.seed, round_number, epoch) % 2**31)
            loss = self.learner.fit(rows, generator).loss
        once = training_flops(self.model.config, [len(row.tokens) for row in rows], heads=0)
        return loss, self.settings.epochs * once
