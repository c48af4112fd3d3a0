"""One set of weights proposes and judges: any objective, with the policy kept in being beside it.

A shared trunk that only learns to judge forgets how to propose. So right solutions are cloned along with it:
L = L_judge + clone * mean token cross entropy of right solutions (GenRM's remedy, 2408.15240, for every kind).
With separate weights none of this is needed, and the objective is used as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.verifiers.objective import Objective, located
from ponder.learning.verifiers.rows import RIGHT, Example, JudgedRow
from ponder.models.heads import Form, token_logprobs


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
        """The objective's own, and one without targets for every right solution."""
        right = [row for row in rows if row.outcome is not None and row.outcome >= RIGHT]
        cloned = [Example((row.tokens,), (tuple(range(row.start, len(row.tokens))),), ()) for row in right]
        return [*self.objective.examples(rows), *cloned]

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        judged = [example for example in examples if example.targets]
        cloned = [example for example in examples if not example.targets]
        total = self.objective.loss(model, judged) if judged else torch.zeros((), device=model.device)
        return total + self.clone * self._cloning(cloned) if cloned else total

    def _cloning(self, examples: Sequence[Example]) -> Tensor:
        ids_BT, at_B, at_T, _ = located(examples, self.policy.device)
        lengths_B = torch.tensor([len(example.at[0]) for example in examples], device=self.policy.device)
        return -(token_logprobs(self.policy, ids_BT, at_B, at_T) / lengths_B[at_B]).sum()
