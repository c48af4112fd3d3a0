"""The settings of a run; each default is the vetted one for the embedded model on two cores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.algorithms import AnyAlgorithm
from ponder.algorithms.dr_grpo import DrGRPO
from ponder.config import Strict
from ponder.engines.settings import EngineSettings, LocalSettings
from ponder.environments import AnyEnvironment, SingleTurn
from ponder.learning.critic import CriticTraining
from ponder.learning.settings import JudgeTraining, TrainerSettings
from ponder.losses import AnyLoss
from ponder.losses.clipped import Clipped
from ponder.policy.frames import AnyFrame
from ponder.policy.frames.auto import Auto
from ponder.rewards import Reward
from ponder.rewards.outcome import Outcome
from ponder.rollout.settings import AnyDraws, PlainDraws
from ponder.selfplay.ahead.settings import Staleness
from ponder.selfplay.cluster import Cluster
from ponder.selfplay.coupling.settings import Coupling
from ponder.selfplay.monitors.settings import Monitors
from ponder.selfplay.proposer.settings import AnySource, FromCurriculum
from ponder.selfplay.provers.settings import Provers
from ponder.selfplay.scorers.settings import ImplicitTraining, Teacher
from ponder.selfplay.selection.settings import Selection
from ponder.selfplay.stages.settings import Stage
from ponder.tools import Tools
from ponder.tracking import AnyTracker

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Sampling(Strict):
    """How training groups are drawn. `max_tokens` counts the whole response, all of its turns together.

    `draws` says whether a group is plain samples or what a search finishes within a budget. `top_p` below 1 goes with
    losses that imitate (cloning, dpo) alone: a ratio to the sampler would need the nucleus of every token.
    """

    temperature: Rate = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Positive = 400
    group_size: Annotated[int, Field(ge=2)] = 8
    problems: Positive = 36
    separator: Annotated[str, Field(min_length=1)] = "\n"
    draws: AnyDraws = PlainDraws()


class VerifierTraining(JudgeTraining):
    """How the run's verifier learns: it follows a policy that moves, so its rate is high and has no warm-up."""

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 0


class Verifier(Strict):
    """The process verifier: the first `depth` of the policy's layers with a head of its own; none if not `enabled`.

    It learns from the outcomes of all groups of a round, and from step labels of `groups` of them with `rollouts`
    continuations a step. `batch` counts trajectories.
    """

    enabled: bool = True
    depth: Annotated[float, Field(gt=0, le=1)] = 0.5
    trainer: VerifierTraining = VerifierTraining()
    batch: Positive = 32
    groups: Positive = 36
    rollouts: Positive = 2
    most_steps: Positive = 5
    epochs: Positive = 1
    aggregation: Literal["last", "min", "product", "mean"] = "last"


class Curriculum(Strict):
    """When the next level opens (`unlock`: solve rate of the hardest open one) and how many there may be."""

    unlock: Share = 0.8
    memory: Share = 0.8
    floor: Rate = 0.05
    most_levels: Positive = 2


class Control(Strict):
    """The control arms, each from the same start for the same floating-point work as the run.

    `enabled`: behaviour cloning on demonstrations (where families have them). `rejection`: rejection-sampling
    fine-tuning on the policy's own right answers, its sampling included. `batch` counts rows of an update.
    """

    enabled: bool = True
    rejection: bool = True
    learning_rate: Rate = 3e-4
    batch: Positive = 128


class Evaluation(Strict):
    """Sizes of what is measured. `problems` are test problems a family; pools feed the thinking-time curves."""

    problems: Positive = 300
    ladder: Positive = 64
    temperature: Rate = 1.0
    pool_problems: Positive = 60
    pool_samples: Positive = 16
    beam_problems: Positive = 20
    unsolved_problems: Positive = 30
    unsolved_tries: Positive = 16
    budgets: tuple[Positive, ...] = (128, 256, 512, 1024, 2048)


class Noise(Strict):
    """What training hears of ground truth: verdicts turned at these rates. Evaluation never passes through it.

    `per` "answer": the same answer always gets the same verdict; "call": every verdict is drawn anew.
    """

    false_accept: Share = 0.0
    false_reject: Share = 0.0
    per: Literal["answer", "call"] = "answer"


class Parity(Strict):
    """The check that the engine samples from what is trained, after every `every`-th update (0: never).

    `texts` of the update's own samples, each cut to `tokens` tokens, are scored by the engine and by the trainer's
    model. `allowed` is the largest difference of log-probabilities in nats (0: 1e-3 in float32; 0.1 on average where
    either side computes in bfloat16). Above it the run stops.
    """

    every: Annotated[int, Field(ge=0)] = 1
    texts: Positive = 4
    tokens: Positive = 256
    allowed: Annotated[float, Field(ge=0)] = 0.0


class Run(Strict):
    """Everything that decides what `ponder run` computes. `model`: tiny, a local folder or a hub id.

    `frame` is how problems are put to the model and where its thinking ends; auto goes by its chat template.
    `engine` samples, `environment` is what the policy acts in, `source` where its problems come from, `tools` what it
    may call while it thinks. `algorithm` turns rewards into credit, `loss` credit into a gradient, and `rewards` are
    added up by their weights; `coupling` says whether the verifier's score is one of them, `selection` which problems
    and answers are learned from. `monitors` watch a long run, `tracking` mirrors its numbers, `stages` change how is
    learned as it goes on. `ponder list` shows all kinds. `keep_policies` leaves the policy of each round in
    RUN/policies (2.5 MB each for the embedded model), so that `ponder eval --grid RUN` can compare more training with
    more thinking. `keep_checkpoints`: how many of them stay. `cluster` says who does what with --cluster,
    `staleness` how far sampling may run ahead of learning.
    """

    model: str = "tiny"
    problems: tuple[str, ...] = ("arithmetic", "cipher", "countdown")
    seed: Annotated[int, Field(ge=0)] = 0
    rounds: Positive = 6
    updates: Positive = 4
    device: str = "cpu"
    threads: Annotated[int, Field(ge=0)] = 0
    keep_policies: bool = True
    keep_checkpoints: Positive = 2
    allow_unsafe_code: bool = False
    frame: AnyFrame = Auto()
    engine: EngineSettings = LocalSettings()
    parity: Parity = Parity()
    environment: AnyEnvironment = SingleTurn()
    source: AnySource = FromCurriculum()
    tools: Tools = Tools()
    provers: Provers = Provers()
    sampling: Sampling = Sampling()
    rewards: Annotated[tuple[Reward, ...], Field(min_length=1)] = (Outcome(),)
    coupling: Coupling = Coupling()
    algorithm: AnyAlgorithm = DrGRPO()
    loss: AnyLoss = Clipped()
    trainer: TrainerSettings = TrainerSettings()
    critic: CriticTraining = CriticTraining()
    implicit: ImplicitTraining = ImplicitTraining()
    teacher: Teacher = Teacher()
    selection: Selection = Selection()
    verifier: Verifier = Verifier()
    curriculum: Curriculum = Curriculum()
    control: Control = Control()
    evaluation: Evaluation = Evaluation()
    monitors: Monitors = Monitors()
    tracking: tuple[AnyTracker, ...] = ()
    stages: tuple[Stage, ...] = ()
    noise: Noise = Noise()
    staleness: Staleness = Staleness()
    cluster: Cluster = Cluster()
