"""A model that stays as it is says how likely it finds what the policy said: a teacher, or the policy of the start."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from ponder.learning.backends.batches import collate, grouped, micro_batches
from ponder.learning.backends.choose import backend_for
from ponder.learning.packed.layout import Group, Row, stems_first
from ponder.learning.prediction import Cost
from ponder.learning.samples import mask
from ponder.learning.settings import TrainerSettings
from ponder.selfplay.accounts import Part
from ponder.types import Sample, Trajectory
from ponder.verifiers.learned.common.batched import PromptTokens


class FrozenScorer:
    """Log-probabilities at the sampler's temperature, so that they can be compared with the sampler's own."""

    def __init__(
        self, model: PreTrainedModel, prompt: PromptTokens, settings: TrainerSettings, temperature: float
    ) -> None:
        self.model: PreTrainedModel = model.eval()
        self.model.requires_grad_(False)
        self._prompt, self._settings, self._temperature = prompt, settings, temperature
        self._backend = backend_for(self.model, settings)
        self._cost = Cost(self.model, self._backend)

    @torch.no_grad()
    def logprobs(self, trajectories: Sequence[Trajectory]) -> tuple[list[tuple[float, ...]], Part]:
        """For each trajectory the log-probability of each token (0 where it was forced), and the work."""
        started, flops = time.monotonic(), 0.0
        samples = [self._sample(index, t) for index, t in enumerate(trajectories)]
        free = [Row(sample, 1.0) for sample in samples if any(sample.mask_T)]
        found: dict[str, list[float]] = {}
        for groups in micro_batches(grouped(free, share=self._backend.shares), self._fits):
            batch = collate(groups, self._backend, self.model.device)
            logprobs_N, _ = self._backend.logprobs(
                self.model, batch.tokens, batch.positions_N, batch.targets_N, self._temperature
            )
            flops += self._cost.flops(groups)
            for index, row in enumerate(row for group in stems_first(groups) for row in group.rows):
                found[row.sample.id] = logprobs_N[batch.row_N == index].tolist()
        parts = [iter(found.get(sample.id, ())) for sample in samples]
        whole = [
            tuple(next(part) if m else 0.0 for m in sample.mask_T) for sample, part in zip(samples, parts, strict=True)
        ]
        return whole, Part(flops, time.monotonic() - started)

    def _fits(self, groups: Sequence[Group]) -> bool:
        return self._cost.tokens(groups) <= self._settings.micro_tokens

    def _sample(self, index: int, trajectory: Trajectory) -> Sample:
        return Sample(
            str(index), self._prompt(trajectory.question), trajectory.tokens, mask(trajectory), mask(trajectory)
        )
