"""One set of weights proposes and judges: any objective, with the policy kept in being beside it.

A shared trunk that only learns to judge forgets how to propose. So right solutions are cloned along with it
(GenRM's remedy, 2408.15240, for every kind):

    L = mean of the judge's loss over its N targets
        + clone * mean over the M right solutions of their mean token cross entropy

A learner divides one sum by one count, batch by batch. So that both means come out, a solution counts as much as N / M
targets and its loss is weighted alike, and all counts are halved. A batch that holds both in proportion has the loss
above; a batch with solutions alone has twice their part, and none of it grows with N. Without right solutions this is
the objective itself; without anything to judge there is nothing to learn.
With separate weights none of this is needed, and the objective is used as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import RIGHT, Example, JudgedRow
from ponder.learning.objective import Objective, located
from ponder.models.heads import Form, token_logprobs


@dataclass(frozen=True, slots=True)
class Solution(Example):
    """A right solution to be written again; its targets are the weights of its tokens."""


class Unified:
    """`policy` shares its trunk with the model that is trained; its output head learns too, through the cloning."""

    def __init__(self, objective: Objective, policy: PreTrainedModel, clone: float = 1 / 3) -> None:
        self.objective, self.policy, self.clone = objective, policy, clone

    @property
    def form(self) -> Form:
        return self.objective.form

    @property
    def labels(self) -> int:
        return self.objective.labels

    @property
    def work(self) -> float:
        return self.objective.work

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        """The objective's own, and every right solution."""
        judged = self.objective.examples(rows)
        right = [row for row in rows if row.outcome is not None and row.outcome >= RIGHT]
        if not judged or not right:
            return judged
        each = sum(example.counted for example in judged) / len(right)
        halved = [replace(example, count=example.counted / 2) for example in judged]
        return [*halved, *(self._solution(row, each) for row in right)]

    def _solution(self, row: JudgedRow, targets: float) -> Solution:
        """A solution that counts as much as this many targets."""
        at = tuple(range(row.start, len(row.tokens)))
        weights = (self.clone * targets / len(at),) * len(at)
        return Solution((row.tokens,), (at,), weights, targets / 2)

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        judged = [example for example in examples if not isinstance(example, Solution)]
        solutions = [example for example in examples if isinstance(example, Solution)]
        total = self.objective.loss(model, judged) if judged else torch.zeros((), device=model.device)
        return total + self._cloning(solutions) if solutions else total

    def _cloning(self, examples: Sequence[Example]) -> Tensor:
        ids_BT, at_B, at_T, weights_N = located(examples, self.policy.device)
        return -(weights_N * token_logprobs(self.policy, ids_BT, at_B, at_T)).sum()
