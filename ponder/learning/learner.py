"""Samples to better weights: micro-batches, one gradient, one guarded step.

A step whose loss or gradient is not finite is left out: the weights and the optimizer stay as they were, the samples
to blame are found and named, and after `max_skips` such steps in a row the learner gives up loudly.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.batches import Batch, Row, collate, micro_batches
from ponder.learning.forward import token_logprobs
from ponder.learning.learner_config import LearnerConfig
from ponder.learning.learner_state import (
    LearnerState,
    optimizer_tensors,
    restore_optimizer,
    restore_weights,
    with_prefix,
)
from ponder.learning.losses.cloning import cloning
from ponder.learning.losses.normalisation import row_weights
from ponder.learning.losses.policy_gradient import PolicyGradient
from ponder.learning.losses.terms import Loss, Tokens
from ponder.learning.report import Tally, UpdateReport
from ponder.models.size import flops_per_token
from ponder.types import PonderError, Sample

LossName = Literal["policy_gradient", "cloning"]


class Learner:
    """Owns the optimizer of `model`, whose weights it changes in place. Dropout stays off: the sampler has none."""

    def __init__(self, model: PreTrainedModel, config: LearnerConfig | None = None) -> None:
        self.model: PreTrainedModel = model.eval()
        self.config = config or LearnerConfig()
        self.steps = 0
        self.skips = 0
        self._skips_in_a_row = 0
        self._parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(),
            lr=self.config.learning_rate,
            betas=self.config.betas,
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        self._reference = _frozen(model) if self.config.kl_coefficient > 0 else None

    @property
    def learning_rate(self) -> float:
        """The rate of the next step: linear warm-up, then constant."""
        warm = (self.steps + 1) / self.config.warmup_steps if self.config.warmup_steps else 1.0
        return self.config.learning_rate * min(1.0, warm)

    def update(self, samples: Sequence[Sample], loss: LossName = "policy_gradient") -> UpdateReport:
        """One pass over `samples` in `minibatches` steps. No samples: nothing happens and the report is empty."""
        started, tally, rate = time.monotonic(), Tally(), self.learning_rate
        for sample in samples:
            _check(sample, loss)
        for part in self._minibatches(samples):
            self._step(part, loss, tally)
        return tally.report(len(samples), loss == "policy_gradient", rate, time.monotonic() - started)

    def state(self) -> LearnerState:
        """Everything that the next step depends on. The tensors are the live ones: write them before updating again."""
        reference = {} if self._reference is None else dict(self._reference.named_parameters())
        weights = {name: p.detach() for name, p in self.model.named_parameters()}
        tensors = {f"reference.{name}": p.detach() for name, p in reference.items()}
        tensors |= optimizer_tensors(self._optimizer, self._parameters)
        counters = {"steps": self.steps, "skips": self.skips, "skips_in_a_row": self._skips_in_a_row}
        return LearnerState(weights, tensors, counters)

    def load_state(self, state: LearnerState) -> None:
        """Continue bit-equal from `state`; PonderError if it belongs to another model."""
        restore_weights(self.model, state.weights)
        if self._reference is not None:
            restore_weights(self._reference, with_prefix(state.tensors, "reference."))
        restore_optimizer(self._optimizer, self._parameters, state.tensors)
        self.steps, self.skips = state.counters["steps"], state.counters["skips"]
        self._skips_in_a_row = state.counters["skips_in_a_row"]

    def _minibatches(self, samples: Sequence[Sample]) -> list[list[Sample]]:
        """`minibatches` parts of nearly equal size; which sample goes where depends on the seed and the step."""
        parts = min(self.config.minibatches, len(samples))
        order = list(samples)
        if parts > 1:
            random.Random(f"learner/{self.config.seed}/{self.steps}").shuffle(order)
        return [order[len(order) * i // parts : len(order) * (i + 1) // parts] for i in range(parts)]

    def _step(self, samples: Sequence[Sample], loss: LossName, tally: Tally) -> None:
        bad = [s.id for s in samples if not all(map(math.isfinite, (*s.advantages_T, *s.logprobs_T)))]
        if bad:
            self._skip("advantage or log-probability is not finite", bad, tally)
            return
        how = self.config.normalisation if loss == "policy_gradient" else "token"
        weights = row_weights(samples, how, self.config.constant_length)
        micros = micro_batches([Row(*pair) for pair in zip(samples, weights, strict=True)], self.config.micro_tokens)
        sums = Tally()
        self._optimizer.zero_grad()
        for rows in micros:
            self._backward(rows, loss, sums)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters.values(), self.config.max_grad_norm))
        if not (math.isfinite(sums.loss) and math.isfinite(norm)):
            what = "gradient" if math.isfinite(sums.loss) else "loss"
            self._skip(f"{what} is not finite", self._culprits(micros, loss), tally)
            return
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate
        self._optimizer.step()
        self.steps += 1
        self._skips_in_a_row = 0
        tally.add_step(sums, norm)

    def _backward(self, rows: Sequence[Row], loss: LossName, sums: Tally) -> None:
        """Add the gradient of these rows to the model's and their measurements to `sums`."""
        batch = collate(rows, self.model.device)
        temperature = self.config.temperature if loss == "policy_gradient" else 1.0
        logprobs_N, entropy_N = self._forward(self.model, batch, temperature)
        reference_N = None
        if self._reference is not None and loss == "policy_gradient":
            with torch.no_grad():
                reference_N, _ = self._forward(self._reference, batch, temperature)
        terms = self._loss(loss)(Tokens(logprobs_N, batch.sampler_N, batch.advantages_N, reference_N))
        total = (terms.loss_N * batch.weights_N).sum()
        total.backward()
        sums.add_tokens(total.detach(), batch.sampler_N - logprobs_N.detach(), terms.clipped_N, entropy_N)
        sums.flops += self._flops(rows, passes=3 if reference_N is None else 4)

    def _forward(self, model: PreTrainedModel, batch: Batch, temperature: float) -> tuple[Tensor, Tensor]:
        return token_logprobs(model, batch.ids_BT, batch.positions_N, batch.targets_N, temperature)

    def _loss(self, name: LossName) -> Loss:
        c = self.config
        return cloning if name == "cloning" else PolicyGradient(c.clip_low, c.clip_high, c.kl_coefficient)

    def _flops(self, rows: Sequence[Row], passes: int) -> float:
        """A backward pass is two forward passes. Padding is not counted: it is our choice, not the method's cost."""
        lengths = [len(row.sample) for row in rows]
        return passes * sum(n * flops_per_token(self.model.config, (n + 1) // 2) for n in lengths)

    def _skip(self, reason: str, offending: Sequence[str], tally: Tally) -> None:
        tally.skipped.append(reason)
        tally.offending += offending
        self._optimizer.zero_grad()
        self.skips += 1
        self._skips_in_a_row += 1
        if self._skips_in_a_row >= self.config.max_skips:
            names = ", ".join(offending[:5])
            raise PonderError(
                f"training: {self._skips_in_a_row} steps in a row were skipped, the last because the {reason} "
                f"(samples {names}); lower the learning rate or go back to an earlier checkpoint"
            )

    def _culprits(self, micros: Sequence[Sequence[Row]], loss: LossName) -> list[str]:
        """The rows whose own gradient is not finite, or all rows of a batch that fails only as a whole."""
        names: list[str] = []
        for rows in micros:
            if self._is_finite(rows, loss):
                continue
            alone = [row.sample.id for row in rows if not self._is_finite([row], loss)]
            names += alone or [row.sample.id for row in rows]
        return names

    def _is_finite(self, rows: Sequence[Row], loss: LossName) -> bool:
        self._optimizer.zero_grad()
        sums = Tally()
        self._backward(rows, loss, sums)
        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        return math.isfinite(sums.loss) and all(bool(g.isfinite().all()) for g in gradients)


def _frozen(model: PreTrainedModel) -> PreTrainedModel:
    reference = copy.deepcopy(model)
    reference.requires_grad_(False)
    return reference


def _check(sample: Sample, loss: LossName) -> None:
    """Rows that cannot be a training row are a mistake of the caller, not bad luck."""
    length = len(sample.response)
    fields = {"advantages_T": sample.advantages_T, "mask_T": sample.mask_T}
    if loss == "policy_gradient":
        fields["logprobs_T"] = sample.logprobs_T
    for name, values in fields.items():
        if len(values) != length:
            raise ValueError(f"sample {sample.id}: {len(values)} {name} for {length} response tokens")
    if not sample.prompt:
        raise ValueError(f"sample {sample.id}: the prompt is empty, so nothing predicts the first token")
