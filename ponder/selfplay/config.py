"""The settings of a run; each default is the vetted one for the embedded model on two cores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.config import Strict

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Sampling(Strict):
    """How training groups are drawn. `max_tokens` counts the whole response."""

    temperature: Rate = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Positive = 400
    group_size: Annotated[int, Field(ge=2)] = 8
    problems: Positive = 36
    separator: Annotated[str, Field(min_length=1)] = "\n"


class Policy(Strict):
    """The policy update. `length_price` is the weight of the group-relative length reward (0: none).

    The rate falls linearly to `final_rate` of itself over the run (1: it stays).
    `precision`: see `learning/packed/precision`.
    """

    learning_rate: Rate = 3e-4
    advantage: Literal["group_mean", "group_normalised", "leave_one_out"] = "group_mean"
    normalisation: Literal["token", "sequence", "constant"] = "constant"
    clip_low: Share = 0.2
    clip_high: Annotated[float, Field(ge=0)] = 0.28
    kl: Annotated[float, Field(ge=0)] = 0.0
    length_price: Annotated[float, Field(ge=0)] = 0.0
    minibatches: Positive = 1
    micro_tokens: Positive = 8192
    precision: Literal["model", "bfloat16_backward", "bfloat16"] = "model"
    final_rate: Share = 1.0


class Verifier(Strict):
    """The process verifier: the first `depth` of the policy's layers with a head of its own.

    It learns from the outcomes of all groups of a round, and from step labels of `groups` of them with `rollouts`
    continuations a step. `batch` counts trajectories.
    """

    depth: Annotated[float, Field(gt=0, le=1)] = 0.5
    learning_rate: Rate = 1e-3
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
    """The control arm: behaviour cloning on demonstrations for the same floating-point work as the run."""

    enabled: bool = True
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
    unsolved_problems: Positive = 60
    unsolved_tries: Positive = 16
    budgets: tuple[Positive, ...] = (128, 256, 512, 1024, 2048)


class Noise(Strict):
    """What training hears of ground truth: verdicts turned at these rates. Evaluation never passes through it.

    `per` "answer": the same answer always gets the same verdict; "call": every verdict is drawn anew.
    """

    false_accept: Share = 0.0
    false_reject: Share = 0.0
    per: Literal["answer", "call"] = "answer"


class Run(Strict):
    """Everything that decides what `ponder run` computes. `model`: tiny, a local folder or a hub id.

    `keep_policies` leaves the policy of each round in RUN/policies (2.5 MB each for the embedded model), so that
    `ponder eval --grid RUN` can compare more training with more thinking.
    """

    model: str = "tiny"
    problems: tuple[str, ...] = ("arithmetic", "cipher", "countdown")
    seed: Annotated[int, Field(ge=0)] = 0
    rounds: Positive = 6
    updates: Positive = 4
    device: str = "cpu"
    threads: Annotated[int, Field(ge=0)] = 0
    keep_policies: bool = True
    allow_unsafe_code: bool = False
    sampling: Sampling = Sampling()
    policy: Policy = Policy()
    verifier: Verifier = Verifier()
    curriculum: Curriculum = Curriculum()
    control: Control = Control()
    evaluation: Evaluation = Evaluation()
    noise: Noise = Noise()
