"""A simulated annotator who compares answers, and the reward model that is trained on the comparisons (RLHF).

The annotator sees right and wrong dimly and likes long answers:

    u(y) = [y is right] + length_bias * tokens(y) / 100        P(y before z) = sigma((u(y) - u(z)) / noise)

With length_bias 0.5 and noise 0.5 a right answer wins against a wrong one of equal length in 88 % of comparisons, and
against a wrong one that is 100 tokens longer in 73 %; of two wrong answers the longer one wins. The reward model is the
policy's first layers with one output, fitted by Bradley-Terry on these comparisons alone (arXiv 2203.02155, equation
1). Its reward is moved and scaled to mean 0 and deviation 1 on the compared answers and bounded by the logistic, so
that it is in the units of a verdict; it stands still while the policy learns from it.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ponder.api.policies import Policy
from ponder.labels.labelled import Labelled
from ponder.learning.judged_rows import Example
from ponder.learning.settings import JudgeTraining
from ponder.learning.verifier_learner import ExampleLearner
from ponder.models.depth import shallower
from ponder.models.heads import judging_model
from ponder.models.size import forward_flops, parameters, training_flops
from ponder.seeds import derive_seed
from ponder.types import Group, Trajectory, Verdict
from ponder.verifiers.learned.common.pairs import pair_of
from ponder.verifiers.learned.preference.judge import PreferenceVerifier
from ponder.verifiers.learned.preference.objective import Preference

HELD_OUT = 5  # one problem in so many is kept from the reward model, to say how good it is


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), for any x."""
    return 0.5 * (1.0 + math.tanh(x / 2))


@dataclass(frozen=True)
class Annotator:
    """See the module."""

    length_bias: float = 0.5
    noise: float = 0.5

    def utility(self, outcome: float, tokens: int) -> float:
        return outcome + self.length_bias * tokens / 100

    def prefers(self, first: tuple[float, int], second: tuple[float, int], rng: random.Random) -> bool:
        """Whether the first (outcome, tokens) is called the better one."""
        return rng.random() < self.chance(first, second)

    def chance(self, first: tuple[float, int], second: tuple[float, int]) -> float:
        return logistic((self.utility(*first) - self.utility(*second)) / self.noise)


@dataclass(frozen=True)
class Comparison:
    """Two answers to one problem, the preferred one first."""

    problem: str
    better: Trajectory
    worse: Trajectory
    outcomes: tuple[float, float]


def compared(groups: Sequence[Group], annotator: Annotator, each: int, seed: int) -> list[Comparison]:
    """`each` random pairs of the answers to each problem, as the annotator ordered them."""
    rng, found = random.Random(derive_seed("annotator", seed)), []
    for group in groups:
        pairs = list(combinations(group.judged, 2))
        for (a, right_a), (b, right_b) in rng.sample(pairs, min(each, len(pairs))):
            first = annotator.prefers((right_a, len(a)), (right_b, len(b)), rng)
            better, worse = ((a, right_a), (b, right_b)) if first else ((b, right_b), (a, right_a))
            found.append(Comparison(group.problem.id, better[0], worse[0], (better[1], worse[1])))
    return found


class RewardModel:
    """The role of the verifier in a run: it scores answers and learns nothing more."""

    judge = None

    def __init__(self, policy: Policy, depth: float, seed: int) -> None:
        whole = judging_model(policy.model, "sequence", labels=1, seed=derive_seed("reward model", seed))
        self.model = shallower(whole, depth)
        self.prompt = policy.propose.prompts.tokens
        self._judge = PreferenceVerifier(self.model, self.prompt, policy_parameters=parameters(policy.model))
        self._mean, self._deviation = 0.0, 1.0

    def fit(self, comparisons: Sequence[Comparison], *, rate: float, epochs: int, seed: int) -> dict[str, Any]:
        """Learn from the comparisons; what it does on held-out problems, and the work in FLOPs."""
        held = [c for c in comparisons if derive_seed("held out", c.problem) % HELD_OUT == 0]
        learned = [c for c in comparisons if derive_seed("held out", c.problem) % HELD_OUT]
        examples = [self._example(c) for c in learned]
        settings = JudgeTraining(learning_rate=rate, warmup_steps=0)
        learner = ExampleLearner(self.model, Preference(), settings, batch=8)
        generator = torch.Generator().manual_seed(derive_seed("reward model", seed) % 2**31)
        loss = learner.fit_examples(examples, generator, epochs=epochs).loss
        lengths = [len(row) for example in examples for row in example.rows]
        rewards = self.rewards([t for c in learned for t in (c.better, c.worse)])
        self._mean, self._deviation = statistics.fmean(rewards), statistics.pstdev(rewards) or 1.0
        flops = epochs * training_flops(self.model.config, lengths, heads=0)
        return {"comparisons": len(learned), "loss": loss, "flops": flops, **self._quality(held)}

    def _quality(self, held: Sequence[Comparison]) -> dict[str, float | None]:
        """Agreement with the annotator on held-out problems, and with truth where exactly one of the two is right."""
        ahead = [a > b for c in held for a, b in [self.rewards([c.better, c.worse])]]
        truth = [
            (a > b) == (c.outcomes[0] > c.outcomes[1])
            for c, (a, b) in ((c, self.rewards([c.better, c.worse])) for c in held)
            if c.outcomes[0] != c.outcomes[1]
        ]
        annotator = [c.outcomes[0] > c.outcomes[1] for c in held if c.outcomes[0] != c.outcomes[1]]
        parts = {"agrees_with_annotator": ahead, "agrees_with_truth": truth, "annotator_with_truth": annotator}
        return {name: statistics.fmean(found) if found else None for name, found in parts.items()}

    def _example(self, comparison: Comparison) -> Example:
        better, worse = (self._row(t) for t in (comparison.better, comparison.worse))
        return pair_of(better, len(better) - 1, worse, len(worse) - 1, 1.0)

    def _row(self, trajectory: Trajectory) -> tuple[int, ...]:
        return tuple(self.prompt(trajectory.question)) + trajectory.tokens

    def rewards(self, trajectories: Sequence[Trajectory]) -> list[float]:
        """The reward of each answer before it is bounded."""
        rows = [self._row(t) for t in trajectories]
        return [reward for (reward,) in self._judge.forward(rows, [[len(row) - 1] for row in rows])] if rows else []

    def score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """The bounded reward of each answer; it has one opinion of all steps, for it judges whole answers."""
        bounded = [logistic((r - self._mean) / self._deviation) for r in self.rewards(trajectories)]
        return [Verdict(score=y, step_scores=(y,) * len(t.steps)) for y, t in zip(bounded, trajectories, strict=True)]

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        return None, 0.0

    def scoring_flops(self, trajectories: Sequence[Trajectory]) -> float:
        return sum(forward_flops(self.model.config, len(self._row(t)), heads=0) for t in trajectories)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None:
        raise NotImplementedError("a reward model of this recipe is trained anew and not restored")

    def counters(self) -> dict[str, int]:
        return {}
