"""One learner for all verifiers: the optimizer core (`learning/core`) over examples.

Examples are cut into micro-batches by length and the loss is divided by one global count, so the cut does not change
the gradient. Work is counted in token-equivalents of the trained model, so that kinds can be compared at equal spend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.core import Core
from ponder.learning.judged_rows import Example, JudgedRow
from ponder.learning.objective import Loss, Objective
from ponder.learning.settings import JudgeTraining, OptimizerSettings
from ponder.types import PonderError


@dataclass(frozen=True, slots=True)
class FitReport:
    """Mean loss a target over the last pass, steps taken, steps skipped as not finite, and the work."""

    loss: float | None
    steps: int
    skipped: int
    work: float


class ExampleLearner:
    """`batch` examples a step, at most `settings.micro_tokens` padded tokens forwarded at once."""

    def __init__(
        self,
        model: PreTrainedModel,
        loss: Loss,
        settings: OptimizerSettings | None = None,
        *,
        batch: int = 16,
        extra: Sequence[torch.nn.Parameter] = (),
        masters: Mapping[int, Tensor] | None = None,
    ) -> None:
        """`extra` are parameters beyond the model's own, such as the output head of a policy that shares its trunk.

        `masters` are those of parameters that another optimizer moves too, by id (`Core`).
        """
        self.model, self.loss, self.batch = model, loss, batch
        self.settings = settings or JudgeTraining()
        named = [*model.named_parameters(), *((f"extra.{i}", p) for i, p in enumerate(extra))]
        own: dict[int, tuple[str, torch.nn.Parameter]] = {}
        for name, parameter in named:  # a parameter that is shared counts once
            if parameter.requires_grad:
                own.setdefault(id(parameter), (name, parameter))
        self.core = Core(dict(own.values()), self.settings, masters=masters)

    def fit_examples(
        self,
        examples: Sequence[Example],
        generator: torch.Generator,
        *,
        epochs: int | None = 1,
        most_work: float = math.inf,
    ) -> FitReport:
        """`epochs` passes in random order, ended early by `most_work`; epochs None goes on until the work is done.

        A step whose loss or gradient is not finite is skipped and counted; no examples are no step.
        """
        losses: list[float | None] = []
        work = 0.0
        self.model.train()
        for batch in self._batches(examples, generator, epochs):
            if work >= most_work:
                break
            losses.append(self._step(batch))
            work += self.loss.work * sum(len(row) for example in batch for row in example.rows)
        self.model.eval()
        self.core.zero()  # until the next step others may have the memory
        kept = [loss for loss in losses[-math.ceil(len(examples) / self.batch) :] if loss is not None]
        return FitReport(sum(kept) / len(kept) if kept else None, len(losses), losses.count(None), work)

    def _batches(
        self, examples: Sequence[Example], generator: torch.Generator, epochs: int | None
    ) -> Iterator[list[Example]]:
        done = 0
        while examples and (epochs is None or done < epochs):
            order = torch.randperm(len(examples), generator=generator).tolist()
            for start in range(0, len(order), self.batch):
                yield [examples[i] for i in order[start : start + self.batch]]
            done += 1

    def _step(self, examples: Sequence[Example]) -> float | None:
        count = sum(example.counted for example in examples) or 1.0

        def backward(part: Sequence[Example]) -> float:
            loss = self.loss.loss(self.model, part) / count
            loss.backward()
            return float(loss.detach())

        done = self.core.step(micro_batches(examples, self.settings.micro_tokens), backward)
        if done.skipped:
            self.core.skip(done.skipped, (f"row {i}" for i in range(len(examples))))
            return None
        return done.loss


class VerifierLearner(ExampleLearner):
    """The learner of an objective, which makes its examples of judged rows."""

    def __init__(
        self, model: PreTrainedModel, objective: Objective, settings: OptimizerSettings | None = None, **options: Any
    ) -> None:
        """`options` are those of `ExampleLearner`."""
        super().__init__(model, objective, settings, **options)
        self.objective = objective

    def fit(
        self,
        rows: Sequence[JudgedRow],
        generator: torch.Generator,
        *,
        epochs: int | None = 1,
        most_work: float = math.inf,
    ) -> FitReport:
        """`fit_examples` on what the objective makes of `rows`; PonderError if it can learn from none of them."""
        examples = self.objective.examples(rows)
        if not examples:
            raise PonderError(
                f"nothing to learn: {len(rows)} rows hold no example for {type(self.objective).__name__.lower()}; "
                "it needs labels, outcomes, or right and wrong trajectories of the same problem"
            )
        if epochs is None and math.isinf(most_work):
            raise ValueError("training needs an end: epochs or most_work")
        return self.fit_examples(examples, generator, epochs=epochs, most_work=most_work)


def micro_batches(examples: Sequence[Example], tokens: int) -> list[list[Example]]:
    """Examples of like length together, each part at most `tokens` padded tokens (a longer example is a part alone)."""
    parts: list[list[Example]] = []
    for example in sorted(examples, key=lambda e: e.longest):
        rows = sum(len(e.rows) for e in (*(parts[-1] if parts else ()), example))
        if parts and example.longest * rows <= tokens:
            parts[-1].append(example)
        else:
            parts.append([example])
    return parts
