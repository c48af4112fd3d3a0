"""What all stages of a run share: the parts, put together from the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import PreTrainedModel

from ponder.api.policies import Policy, load_policy
from ponder.api.training.beginning import Beginning
from ponder.api.training.scorers import scorers_of
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import run as run_async
from ponder.engines.open import check_trainable, open_engine
from ponder.engines.settings import LocalSettings, ScriptedSettings
from ponder.environments.environment import EnvironmentSettings
from ponder.evaluation.suite import build_suite
from ponder.learning.policy import PolicyTrainer
from ponder.models.load import Loaded, config_of
from ponder.policy.codec import Codec
from ponder.protocols import Family, Grade, Propose, Together, WeightedEngine
from ponder.runlog import RunLog
from ponder.selfplay import measure
from ponder.selfplay.config import Run
from ponder.selfplay.coupling.unified import UnifiedVerifier
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.loop import SelfPlay
from ponder.selfplay.needs import needs_critic
from ponder.selfplay.proposer.make import source_of
from ponder.selfplay.provers.verifier import ProverVerifier
from ponder.selfplay.roles import (
    Critic,
    Finishing,
    Generator,
    NoVerifier,
    Texts,
    Trainer,
    Verifier,
    parity_check,
    policy_trainer,
)
from ponder.selfplay.scorers.scorers import Scorers
from ponder.selfplay.steps.parts import Tell
from ponder.types import PonderError

TRAINING, CONTROL, MEASURING = "training", "control", "measuring"
SUMMARY = "summary.json"
Opened = Callable[[Codec, Loaded], WeightedEngine]
Learners = Callable[[PreTrainedModel], Trainer]


@dataclass
class Start:
    """What can fail before a run has a folder: the model, its trainer, the verifier, the critic, other models."""

    config: Run
    families: list[Family]
    policy: Policy
    base: Beginning
    generator: Generator
    verifier: Verifier | NoVerifier
    critic: Critic | None
    scorers: Scorers


def prepared(
    config: Run, families: list[Family], opened: Opened | None = None, learners: Learners | None = None
) -> Start:
    """Load the model and make whatever learns.

    `opened` and `learners` make the engine and the policy's trainer where they are not of this process.
    """
    policy = load_policy(
        config.model,
        device=config.device,
        temperature=config.sampling.temperature,
        top_p=config.sampling.top_p,
        separator=config.sampling.separator,
        engine=config.engine,
        tools=config.tools.box(),
        frame=config.frame,
        opened=opened,
    )
    if policy.codec.pictures is not None and (config.verifier.enabled or needs_critic(config)):
        raise PonderError(
            f"{config.model} reads pictures, and step verifiers and critics read words alone: set "
            "verifier.enabled=false, and an algorithm without a critic"
        )
    base = Beginning.of(config.model, policy.model, config.device)
    # Before the trainer may put adapters into the model: both start as plain copies of it.
    enabled, dual = config.verifier.enabled, config.coupling.weights == "dual"
    kind = ProverVerifier if config.provers.enabled else Verifier
    own = kind(policy.model, policy.propose, config) if enabled and dual else None
    critic = Critic(policy.model, policy.propose, config) if needs_critic(config) else None
    scorers = scorers_of(config, policy)
    trainer = policy_trainer(policy.model, config) if learners is None else learners(policy.model)
    shared = None
    if enabled and not dual and isinstance(trainer, PolicyTrainer):  # several learners with it were refused already
        shared = UnifiedVerifier(policy.model, policy.propose, config, trainer.core)
    verifier = own or shared or NoVerifier()
    generator = Generator(trainer, policy.propose, policy.engine, policy.model, _check(config, policy))
    return Start(config, families, policy, base, generator, verifier, critic, scorers)


def check_engine(config: Run) -> None:
    """PonderError if the engine of these settings cannot be trained; asked before weights are loaded."""
    check_trainable(config.engine, config_of(config.model), lora=config.trainer.lora_rank > 0)


def _check(config: Run, policy: Policy) -> Callable[[Texts, int], Awaitable[float | None]] | None:
    """The parity check, where it is switched on and the engine has weights that could differ."""
    if not config.parity.every or isinstance(config.engine, ScriptedSettings):
        return None
    kinds = {policy.model.dtype, getattr(policy.engine, "dtype", policy.model.dtype)}
    half = torch.bfloat16 in kinds or getattr(config.engine, "dtype", "auto") == "bfloat16"
    return parity_check(policy.engine, policy.model, config.parity, half=half, seed=config.seed)


@dataclass
class Stage:
    """A run under way. `base` is what it began with."""

    config: Run
    log: RunLog
    policy: Policy
    families: list[Family]
    play: SelfPlay
    verifier: Verifier | NoVerifier
    bench: measure.Bench
    base: Beginning
    tell: Tell
    track: Callable[[int, dict[str, Any]], None] = lambda *_: None  # the numbers of a round, to the trackers
    chosen: dict[str, Any] = field(default_factory=dict)  # which policy the run leaves, and why

    @staticmethod
    def of(start: Start, log: RunLog, grade: Grade, tell: Tell) -> Stage:
        config, families = start.config, start.families
        ladder = build_suite(families, config.evaluation.ladder, split="validation", seed=config.seed).problems
        play = SelfPlay(
            config,
            start.generator,
            start.verifier,
            source_of(
                config.source,
                families,
                start.generator.propose,
                curriculum(config, families),
                seed=config.seed,
                other=lambda name: proposing(config, name),
            ),
            grade,
            ladder,
            run_async,
            tell,
            start.critic,
            start.scorers,
        )
        acts_in = None if _one_answer(config.environment) else config.environment.measured()
        bench = measure.Bench(grade, run_async, config.evaluation, config.sampling.max_tokens, config.seed, acts_in)
        return Stage(config, log, start.policy, families, play, start.verifier, bench, start.base, tell)

    def finish_training(self) -> None:
        """Training is over: what only steps need is given back, and the engine gets weights of its own."""
        for learner in (self.play.generator.trainer, self.verifier, self.play.critic):
            if isinstance(learner, Finishing):
                learner.finish()
        self._own_weights()

    def _own_weights(self) -> None:
        """Other weights will be asked: an engine that shared the trainer's gets its own copy."""
        settings, old = self.config.engine, self.policy
        if not (isinstance(settings, LocalSettings) and settings.share_weights):
            return
        alone = settings.model_copy(update={"share_weights": False})
        if isinstance(old.engine, LocalEngine):
            old.engine.release(weights=True)
        engine = open_engine(alone, old.codec, model=old.model, device=self.config.device, version=old.engine.version)
        self.policy = replace(old, engine=engine, propose=replace(old.propose, engine=engine))
        generator = self.play.generator
        generator.engine, generator.propose = engine, self.policy.propose
        self.play.forget_meter()

    def serve(self, weights: Mapping[str, Any]) -> None:
        """Let the engine answer from `weights`, whose version is the present one's."""
        self.policy.engine.replace_weights(weights, self.policy.engine.version)

    def serve_trained(self) -> None:
        """Let the engine answer from the trained policy again."""
        self.serve(self.play.generator.trainer.weights())


def _one_answer(environment: EnvironmentSettings) -> bool:
    """Whether a run is measured by single answers: the environment has no others, or several come about together."""
    return environment.kind == "single_turn" or isinstance(environment, Together)


def proposing(config: Run, name: str) -> Propose:
    """Another model that proposes problems; it draws as the policy does and does not learn."""
    sampling = config.sampling
    return load_policy(
        name, device=config.device, temperature=sampling.temperature, top_p=sampling.top_p, engine=LocalSettings()
    ).propose


def curriculum(config: Run, families: Sequence[Family]) -> Curriculum:
    """A fresh curriculum at the run's settings."""
    settings = config.curriculum
    return Curriculum(
        families,
        seed=config.seed,
        unlock=settings.unlock,
        memory=settings.memory,
        floor=settings.floor,
        most_levels=settings.most_levels,
    )
