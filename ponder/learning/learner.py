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

from ponder.learning import lora
from ponder.learning.batches import Batch, collate, grouped, micro_batches
from ponder.learning.checkpoints.state import (
    LearnerState,
    optimizer_tensors,
    restore_optimizer,
    restore_weights,
    with_prefix,
)
from ponder.learning.forward import token_logprobs
from ponder.learning.learner_config import LearnerConfig
from ponder.learning.packed.layout import Group, Row
from ponder.learning.packed.precision import Numbers
from ponder.learning.prediction import Cost, Prediction
from ponder.learning.report import Tally, UpdateReport
from ponder.learning.schedule import rate
from ponder.losses.cloning import cloning
from ponder.losses.normalisation import row_weights
from ponder.losses.policy_gradient import PolicyGradient
from ponder.losses.terms import Loss, Tokens
from ponder.models import lean
from ponder.seeds import derive_seed
from ponder.types import PonderError, Sample

LossName = Literal["policy_gradient", "cloning"]


class Learner:
    """Owns the optimizer of `model`, whose weights it changes in place. Dropout stays off: the sampler has none."""

    def __init__(self, model: PreTrainedModel, config: LearnerConfig | None = None) -> None:
        self.model: PreTrainedModel = model.eval()
        self.config = config or LearnerConfig()
        c = self.config
        self._reference = _frozen(model) if c.kl_coefficient > 0 else None
        if c.lora_rank:
            lora.adapt(model, c.lora_rank, c.lora_alpha, derive_seed("lora", c.seed))
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
        self._numbers = Numbers.of(c.precision, model.dtype)
        self._shape = lean.Shape.of(model) if lean.supports(model) else None
        self._cost = Cost(model, self._shape is not None, self._numbers.dtype.itemsize, kl=self._reference is not None)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        c = self.config
        return rate(
            self.steps,
            peak=c.learning_rate,
            warmup=c.warmup_steps,
            schedule=c.schedule,
            total=c.total_steps,
            floor=c.final_rate,
        )

    def update(self, samples: Sequence[Sample], loss: LossName = "policy_gradient") -> UpdateReport:
        """One pass over `samples` in `minibatches` steps. No samples: nothing happens and the report is empty."""
        started, tally, rate = time.monotonic(), Tally(), self.learning_rate
        for sample in samples:
            _check(sample, loss)
        for part in self._minibatches(samples):
            self._step(part, loss, tally)
        return tally.report(len(samples), loss == "policy_gradient", rate, time.monotonic() - started)

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """What `update` on these samples will cost; PonderError if a sample cannot fit `memory_bytes`."""
        micros = [
            micro for part in self._minibatches(samples) for micro in self._micro_batches([Row(s, 1.0) for s in part])
        ]
        return Prediction(
            micro_batches=len(micros),
            tokens=sum(self._cost.tokens(micro) for micro in micros),
            flops=self._passes * sum(self._cost.flops(micro) for micro in micros),
            bytes=max((self._cost.bytes(micro) for micro in micros), default=0),
        )

    def weights(self) -> dict[str, Tensor]:
        """What an engine serves: the model's state under its own names, adapters added to the weights."""
        return lora.merged(self.model) if self.config.lora_rank else dict(self.model.state_dict())

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
        micros = self._micro_batches([Row(*pair) for pair in zip(samples, weights, strict=True)])
        sums = Tally()
        self._optimizer.zero_grad()
        for groups in micros:
            self._backward(groups, loss, sums)
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

    def _micro_batches(self, rows: Sequence[Row]) -> list[list[Group]]:
        """Parts of a step within `micro_tokens` and `memory_bytes`; a row longer than `micro_tokens` stands alone."""
        limit = self.config.memory_bytes

        def fits(groups: Sequence[Group]) -> bool:
            within = limit is None or self._cost.bytes(groups) <= limit
            return within and self._cost.tokens(groups) <= self.config.micro_tokens

        micros = micro_batches(grouped(rows, share=self._shape is not None), fits)
        for groups in micros:
            needed = self._cost.bytes(groups)
            if limit is not None and needed > limit:
                raise PonderError(
                    f"training: sample {groups[0].rows[0].sample.id} needs about {needed:,} bytes beyond the weights "
                    f"and memory_bytes is {limit:,}; raise it, or train on shorter samples"
                )
        return micros

    def _backward(self, groups: Sequence[Group], loss: LossName, sums: Tally) -> None:
        """Add the gradient of these rows to the model's and their measurements to `sums`."""
        batch = collate(groups, self._shape, self.model.device)
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
        sums.forwarded += self._cost.tokens(groups)
        sums.flops += (3 if reference_N is None else 4) * self._cost.flops(groups)

    def _forward(self, model: PreTrainedModel, batch: Batch, temperature: float) -> tuple[Tensor, Tensor]:
        return token_logprobs(model, batch, temperature, self._numbers)

    @property
    def _passes(self) -> int:
        """Forward passes' worth of work in a step on the policy's samples; a backward pass is two."""
        return 3 if self._reference is None else 4

    def _loss(self, name: LossName) -> Loss:
        c = self.config
        return cloning if name == "cloning" else PolicyGradient(c.clip_low, c.clip_high, c.kl_coefficient)

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

    def _culprits(self, micros: Sequence[Sequence[Group]], loss: LossName) -> list[str]:
        """The rows whose own gradient is not finite, or all rows of a batch that fails only as a whole."""
        names: list[str] = []
        for groups in micros:
            if self._is_finite(groups, loss):
                continue
            rows = [row for group in groups for row in group.rows]
            alone = [row.sample.id for row in rows if not self._is_finite([Group((row,))], loss)]
            names += alone or [row.sample.id for row in rows]
        return names

    def _is_finite(self, groups: Sequence[Group], loss: LossName) -> bool:
        self._optimizer.zero_grad()
        sums = Tally()
        self._backward(groups, loss, sums)
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
    if not length:
        raise ValueError(f"sample {sample.id}: the response is empty, so there is nothing to learn")
    if not sample.prompt:
        raise ValueError(f"sample {sample.id}: the prompt is empty, so nothing predicts the first token")
