"""Samples to a better policy: micro-batches, one gradient, one guarded step (`learning/core`).

A step whose loss or gradient is not finite is left out: the weights and the optimizer stay as they were, and the
samples to blame are found and named.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning import lora
from ponder.learning.backends.batches import Batch, collate, grouped, micro_batches
from ponder.learning.backends.choose import backend_for
from ponder.learning.checkpoints.state import LearnerState, restore_weights, with_prefix
from ponder.learning.core import Core
from ponder.learning.packed.layout import Group, Row
from ponder.learning.parallel import Parallel, Single
from ponder.learning.prediction import Cost, Prediction
from ponder.learning.report import Tally, UpdateReport
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from ponder.losses.loss import Loss, check
from ponder.losses.normalisation import LeftOut, row_weights
from ponder.seeds import derive_seed
from ponder.types import PonderError, Sample

_REFERENCE = "reference."


class PolicyTrainer:
    """Changes the weights of `model` in place. Dropout stays off: the sampler has none.

    `temperature` is the one that samples are drawn at and `longest` the most tokens of a response: facts of the run,
    not of the trainer. `total_steps` is how many optimizer steps the run will make, for schedules that end.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        settings: TrainerSettings | None = None,
        loss: Loss | None = None,
        *,
        temperature: float = 1.0,
        longest: int = 256,
        total_steps: int = 0,
        seed: int = 0,
        parallel: Parallel | None = None,
        reference: bool = False,
    ) -> None:
        """`reference` keeps the policy of the start even if `loss` has no use for it: a later stage has."""
        self.model: PreTrainedModel = model.eval()
        self.settings, self.loss = settings or TrainerSettings(), loss or Clipped()
        self.temperature, self.longest, self.seed = temperature, longest, seed
        self.parallel = parallel or Single()
        s = self.settings
        # With adapters the base stays as it is and serves as its own reference.
        self._reference = _frozen(model) if (self.loss.keeps_reference or reference) and not s.lora_rank else None
        if s.lora_rank:
            lora.adapt(model, s.lora_rank, s.lora_alpha, derive_seed("lora", seed))
        self.core = Core({name: p for name, p in model.named_parameters() if p.requires_grad}, s, total_steps)
        self._start = {n: m.detach().clone() for n, m in self.core.masters.items()} if s.from_start else {}
        self._backend = backend_for(model, s)
        self._cost = Cost(model, self._backend, self.loss.keeps_reference, s.gradient_checkpointing)

    @property
    def backend(self) -> str:
        """The name of the backend that computes log-probabilities."""
        return self._backend.name

    @property
    def steps(self) -> int:
        """Optimizer steps made so far."""
        return self.core.steps

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return self.core.learning_rate

    def restage(self, settings: TrainerSettings, loss: Loss, total_steps: int) -> None:
        """Go on from these weights with another loss and other settings: a fresh optimizer, the same reference."""
        if loss.keeps_reference and self._reference is None and not self.settings.lora_rank:
            raise PonderError(f"loss {loss.kind} pulls to the start, and no copy of it was kept when training began")
        old, self.settings, self.loss = self.core, settings, loss
        masters = {id(p): old.masters[name] for name, p in old.parameters.items()}
        self.core = Core(old.parameters, settings, total_steps, masters)
        self.core.scale = old.scale
        self._cost = Cost(self.model, self._backend, loss.keeps_reference, settings.gradient_checkpointing)

    def slow(self, scale: float) -> None:
        """Multiply the rate of all further steps by `scale`, whatever it was multiplied by before."""
        self.core.scale = scale

    def update(self, samples: Sequence[Sample], left_out: LeftOut | None = None) -> UpdateReport:
        """`epochs` passes over `samples`, each in `minibatches` steps. No samples: nothing happens.

        `left_out` are rows without a gradient that a loss with `count="all"` puts into its mean. PonderError if a
        sample lacks what the loss needs.
        """
        started, tally, rate = time.monotonic(), Tally(), self.learning_rate
        check(samples, self.loss)
        if self._start and samples:
            self.core.restart(self._start)
        samples = self._before_the_update(samples, tally)
        for _ in range(self.settings.epochs):
            parts = self._minibatches(samples)
            out = (left_out or LeftOut()).part(len(parts) or 1) if self.loss.count == "all" else None
            for part in parts:
                self._step(part, out, tally)
        return tally.report(len(samples), self.loss.on_policy, rate, time.monotonic() - started)

    def rest(self) -> None:
        """Give the gradients of the last step back: until the next one others may have the memory."""
        self.core.zero()

    def finish(self) -> None:
        """Training is over: give back all that only steps need. The weights stay, and can be served."""
        self.core.finish()
        self._start, self._reference = {}, None

    def logprobs(self, samples: Sequence[Sample]) -> list[tuple[float, ...]]:
        """Log-probabilities of the trained tokens of each sample under the present weights, at its temperature."""
        return self.asked(self.model, samples)

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """What `update` on these samples will cost; PonderError if a sample cannot fit `memory_gb`.

        Forward passes that a loss asks for before its steps (a correction, DPO) are not in it.
        """
        micros = [
            micro for part in self._minibatches(samples) for micro in self._micro_batches([Row(s, 1.0) for s in part])
        ]
        return Prediction(
            micro_batches=len(micros),
            tokens=sum(self._cost.tokens(micro) for micro in micros),
            flops=self.settings.epochs * self._passes * sum(self._cost.flops(micro) for micro in micros),
            bytes=max((self._cost.bytes(micro) for micro in micros), default=0),
        )

    def weights(self) -> dict[str, Tensor]:
        """What an engine serves: the model's state under its own names, adapters added to the weights."""
        return lora.merged(self.model) if self.settings.lora_rank else dict(self.model.state_dict())

    def state(self) -> LearnerState:
        """Everything that the next step depends on. The tensors are the live ones: write them before updating again."""
        reference = {} if self._reference is None else dict(self._reference.named_parameters())
        weights = {name: p.detach() for name, p in self.model.named_parameters()}
        tensors = {f"{_REFERENCE}{name}": p.detach() for name, p in reference.items()} | self.core.tensors()
        return LearnerState(weights, tensors, self.core.counters())

    def load_state(self, state: LearnerState) -> None:
        """Continue bit-equal from `state`; PonderError if it belongs to another model."""
        restore_weights(self.model, state.weights)
        if self._reference is not None:
            restore_weights(self._reference, with_prefix(state.tensors, _REFERENCE))
        self.core.load(state.tensors, state.counters)

    def _before_the_update(self, samples: Sequence[Sample], tally: Tally) -> Sequence[Sample]:
        """With a correction and several steps, rows know what the learner said of them before the first of these."""
        if self.loss.correction == "none" or self.settings.minibatches * self.settings.epochs == 1:
            return samples
        old = _Asked(self, samples, tally).now()
        return [replace(sample, old_logprobs_T=old_T) for sample, old_T in zip(samples, old, strict=True)]

    def _minibatches(self, samples: Sequence[Sample]) -> list[list[Sample]]:
        """`minibatches` parts of nearly equal size; which sample goes where depends on the seed and the step.

        Rows of a pair stay together.
        """
        order = _units(samples) if self.loss.pairs else [[sample] for sample in samples]
        parts = min(self.settings.minibatches, len(order))
        if parts > 1:
            random.Random(f"learner/{self.seed}/{self.steps}").shuffle(order)
        return [
            [sample for unit in order[len(order) * i // parts : len(order) * (i + 1) // parts] for sample in unit]
            for i in range(parts)
        ]

    def _step(self, samples: Sequence[Sample], left_out: LeftOut | None, tally: Tally) -> None:
        bad = [s.id for s in samples if not all(map(math.isfinite, (*s.advantages_T, *s.logprobs_T)))]
        if bad:
            self._skip("advantage or log-probability is not finite", bad, tally)
            return
        marks = self.loss.marks(samples, _Asked(self, samples, tally))
        if marks is not None:
            samples = [replace(sample, marks_T=marks_T) for sample, marks_T in zip(samples, marks, strict=True)]
        constant = self.loss.constant_length or self.longest
        weights = row_weights(samples, self.loss.normalisation, constant, left_out)
        micros = self._micro_batches([Row(*pair) for pair in zip(samples, weights, strict=True)])
        sums, gather = Tally(), self.parallel.gather
        counted = {id(groups) for groups in micros}  # what only fills up a rank's share is not measured

        def backward(groups: Sequence[Group]) -> float:
            return self._backward(groups, sums if id(groups) in counted else Tally())

        done = self.core.step(self.parallel.share(micros), backward, lambda loss: sum(gather(loss)))
        if done.skipped:
            self._skip(done.skipped, self._culprits(micros), tally)
        else:
            tally.add_step(Tally.added(gather(sums)), done.norm)

    def _micro_batches(self, rows: Sequence[Row]) -> list[list[Group]]:
        """Parts of a step within `micro_tokens` and the memory limit; a row longer than `micro_tokens` stands alone."""
        limit = self.settings.memory_bytes

        def fits(groups: Sequence[Group]) -> bool:
            within = limit is None or self._cost.bytes(groups) <= limit
            return within and self._cost.tokens(groups) <= self.settings.micro_tokens

        micros = micro_batches(grouped(rows, share=self._backend.shares), fits)
        for groups in micros:
            needed = self._cost.bytes(groups)
            if limit is not None and needed > limit:
                raise PonderError(
                    f"training: sample {groups[0].rows[0].sample.id} needs about {needed / 1e9:.3g} GB beyond the "
                    f"weights and trainer.memory_gb is {self.settings.memory_gb:g}; raise it, or train on shorter "
                    "samples"
                )
        return micros

    def _backward(self, groups: Sequence[Group], sums: Tally) -> float:
        """Add the gradient of these rows to the model's and their measurements to `sums`; their part of the loss."""
        batch = collate(groups, self._backend, self.model.device)
        logprobs_N, entropy_N = self._forward(self.model, batch, self.loss.entropy_coef > 0)
        if self.loss.correction != "none" and batch.old_N is None:  # the only step: its own log-probabilities
            batch = replace(batch, old_N=logprobs_N.detach())
        reference_N = None
        if self.loss.kl_coef > 0:
            with torch.no_grad(), self.as_reference() as reference:
                reference_N, _ = self._forward(reference, batch)
        terms = self.loss(batch.token_rows(logprobs_N, entropy_N, reference_N))
        total = (terms.loss_N * batch.weights_N).sum()
        (total * self.parallel.scale).backward()
        sums.forwarded += self._cost.tokens(groups)
        sums.flops += self._passes * self._cost.flops(groups)
        entropy_N = entropy_N.detach()
        return sums.add_tokens(total.detach(), batch.sampler_N - logprobs_N.detach(), entropy_N, terms.metrics)

    def _forward(self, model: PreTrainedModel, batch: Batch, entropy_gradient: bool = False) -> tuple[Tensor, Tensor]:
        temperature = self.temperature if self.loss.on_policy else 1.0
        return self._backend.logprobs(
            model, batch.tokens, batch.positions_N, batch.targets_N, temperature, entropy_gradient
        )

    @torch.no_grad()
    def asked(
        self, model: PreTrainedModel, samples: Sequence[Sample], tally: Tally | None = None
    ) -> list[tuple[float, ...]]:
        """Log-probabilities of the trained tokens of each sample under `model`; the work goes into `tally`."""
        found: dict[int, tuple[float, ...]] = {}
        for groups in self._micro_batches([Row(sample, 1.0) for sample in samples]):
            batch = collate(groups, self._backend, self.model.device)
            logprobs_N, _ = self._forward(model, batch)
            for index, row in enumerate(row for group in _ordered(groups) for row in group.rows):
                found[id(row.sample)] = tuple(logprobs_N[batch.row_N == index].tolist())
            if tally is not None:
                tally.forwarded += self._cost.tokens(groups)
                tally.flops += self._cost.flops(groups)
        return [found[id(sample)] for sample in samples]

    @contextmanager
    def as_reference(self) -> Iterator[PreTrainedModel]:
        """The model as it was at the start: a frozen copy, or the base without its adapters."""
        if self._reference is not None:
            yield self._reference
            return
        with lora.without(self.model):
            yield self.model

    @property
    def _passes(self) -> int:
        """Forward passes' worth of work in a step on the policy's samples; a backward pass is two."""
        return 3 if self.loss.kl_coef == 0 else 4

    def _skip(self, reason: str, offending: Sequence[str], tally: Tally) -> None:
        tally.skipped.append(reason)
        tally.offending += offending
        self.core.zero()
        self.core.skip(reason, offending)

    def _culprits(self, micros: Sequence[Sequence[Group]]) -> list[str]:
        """The rows whose own gradient is not finite, or all rows of a batch that fails only as a whole."""
        if self.parallel.ranks > 1:  # trying rows one by one would need all ranks in step
            return [row.sample.id for groups in micros for group in groups for row in group.rows]
        names: list[str] = []
        for groups in micros:
            if self._is_finite(groups):
                continue
            rows = [row for group in groups for row in group.rows]
            alone = [row.sample.id for row in rows if not self._is_finite([Group((row,))])]
            names += alone or [row.sample.id for row in rows]
        return names

    def _is_finite(self, groups: Sequence[Group]) -> bool:
        self.core.zero()
        return math.isfinite(self._backward(groups, Tally())) and self.core.gradients_finite()


@dataclass(frozen=True)
class _Asked:
    """What a loss may ask about the rows of a step (`losses.loss.Models`); the work is charged to the update."""

    trainer: PolicyTrainer
    samples: Sequence[Sample]
    tally: Tally

    def now(self) -> list[tuple[float, ...]]:
        return self._whole(self.trainer.asked(self.trainer.model, self.samples, self.tally))

    def reference(self) -> list[tuple[float, ...]]:
        with self.trainer.as_reference() as reference:
            return self._whole(self.trainer.asked(reference, self.samples, self.tally))

    def _whole(self, trained: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
        """One number for each response token, 0 where it is not trained on."""
        parts = [iter(some) for some in trained]
        return [
            tuple(next(part) if m else 0.0 for m in sample.mask_T)
            for sample, part in zip(self.samples, parts, strict=True)
        ]


def _units(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Rows that stay together, in the order of their first ones."""
    units: dict[str, list[Sample]] = {}
    for index, sample in enumerate(samples):
        units.setdefault(sample.pair or f"alone {index}", []).append(sample)
    return list(units.values())


def _ordered(groups: Sequence[Group]) -> list[Group]:
    """The order in which `collate` takes groups: those that share a prompt first."""
    return sorted(groups, key=lambda group: not group.shares)


def _frozen(model: PreTrainedModel) -> PreTrainedModel:
    reference = copy.deepcopy(model)
    reference.requires_grad_(False)
    return reference
