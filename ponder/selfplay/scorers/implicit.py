"""The implicit reward model of PRIME (arXiv 2502.01456): a copy of the policy that learns from outcomes, online.

Its token rewards are beta times its log-ratio to the policy of the start. After an update's answers are scored it takes
one pass over them with the outcomes as labels; nothing else is ever labelled for it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.checkpoints.state import restore_weights
from ponder.learning.judged_rows import JudgedRow
from ponder.learning.verifier_learner import VerifierLearner
from ponder.models.size import forward_flops, parameters, training_flops
from ponder.seeds import derive_seed
from ponder.selfplay.accounts import Part
from ponder.selfplay.scorers.settings import ImplicitTraining
from ponder.types import Trajectory
from ponder.verifiers.learned.common.batched import PromptTokens
from ponder.verifiers.learned.implicit.judge import ImplicitVerifier
from ponder.verifiers.learned.implicit.objective import Implicit


class ImplicitReward:
    """`first`: it learns from an update's answers before it scores them, instead of after."""

    def __init__(
        self,
        policy: PreTrainedModel,
        prompt: PromptTokens,
        settings: ImplicitTraining,
        *,
        beta: float,
        first: bool = False,
        seed: int = 0,
    ) -> None:
        self.model = copy.deepcopy(policy).eval()
        reference = copy.deepcopy(policy).eval()
        reference.requires_grad_(False)
        self._prompt, self._first, self._seed, self.updates = prompt, first, seed, 0
        self._judge = ImplicitVerifier(self.model, reference, prompt, policy_parameters=parameters(policy), beta=beta)
        self._learner = VerifierLearner(self.model, Implicit(reference, beta), settings, batch=settings.batch)

    def __call__(
        self, trajectories: Sequence[Trajectory], outcomes: Sequence[float]
    ) -> tuple[list[tuple[float, ...]], Part, dict[str, float]]:
        """Token rewards of each trajectory, the work of scoring and learning, and the loss of learning."""
        started = time.monotonic()
        rows = [(*self._prompt(t.question), *t.tokens) for t in trajectories]
        if self._first:
            metrics = self._learn(rows, trajectories, outcomes)
            rewards = self._judge.token_rewards(rows, trajectories)
        else:
            rewards = self._judge.token_rewards(rows, trajectories)
            metrics = self._learn(rows, trajectories, outcomes)
        config, heads = self.model.config, sum(map(len, trajectories))
        lengths = [len(row) for row in rows]
        # Two forwards to score, and one of the reference beside a pass of training.
        forward = sum(forward_flops(config, n, heads=len(t)) for n, t in zip(lengths, trajectories, strict=True))
        flops = 3.0 * forward + training_flops(config, lengths, heads=heads)
        return rewards, Part(flops, time.monotonic() - started), metrics

    def _learn(
        self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory], outcomes: Sequence[float]
    ) -> dict[str, float]:
        judged = [
            JudgedRow(t.question.id, row, len(row) - len(t), (len(row) - 1,), (), outcome)
            for row, t, outcome in zip(rows, trajectories, outcomes, strict=True)
        ]
        if not judged:
            return {}
        generator = torch.Generator().manual_seed(derive_seed("implicit", self._seed, self.updates) % 2**31)
        self.updates += 1
        loss = self._learner.fit(judged, generator).loss
        return {} if loss is None else {"implicit_loss": loss}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        weights = {name: p.detach() for name, p in self.model.named_parameters()}
        return {"implicit": weights, "implicit_optimizer": self._learner.core.tensors()}

    def counters(self) -> dict[str, int]:
        return {**self._learner.core.counters(), "updates": self.updates}

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None:
        restore_weights(self.model, tensors["implicit"])
        self._learner.core.load(tensors.get("implicit_optimizer", {}), counters)
        self.updates = counters["updates"]
