"""Generative verifier (GenRM, 2408.15240): the model is asked whether the answer is right and learns to say so.

    L = L_SFT(verdict after the question, critique before it if there is one) + clone * L_SFT(right solutions)

The verdict is a token of the vocabulary, so the checkpoint is an ordinary causal language model. `clone` (1/3 for
algorithmic tasks) keeps it able to solve what it judges. A critique's tokens are learned like the verdict's; which
critiques are fit to learn from is decided before (`verifiers.learned.generative.critique.agrees`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import RIGHT, Example, JudgedRow
from ponder.learning.objective import located
from ponder.models.heads import Form, token_logprobs


@dataclass(frozen=True)
class Generative:
    """`question` are the tokens after a trajectory (or its critique), `yes` and `no` the two verdicts."""

    question: tuple[int, ...]
    yes: int
    no: int
    clone: float = 1 / 3
    form: Form = "causal"
    labels: int = 0
    work: float = 3.0

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        """Targets are weights here: each piece (critique, verdict, solution) is a mean over its tokens."""
        return [self._example(row, row.outcome) for row in rows if row.outcome is not None]

    def _example(self, row: JudgedRow, outcome: float) -> Example:
        right = outcome >= RIGHT
        tokens = (*row.tokens, *row.critique, *self.question, self.yes if right else self.no)
        critique = range(len(row.tokens), len(row.tokens) + len(row.critique))
        solution = range(row.start, len(row.tokens)) if right and self.clone else range(0)
        weights = [(at, self.clone / len(solution)) for at in solution]
        weights += [(at, 1 / len(critique)) for at in critique] + [(len(tokens) - 1, 1.0)]
        return Example((tokens,), (tuple(at for at, _ in weights),), tuple(weight for _, weight in weights), count=1)

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        ids_BT, at_B, at_T, weights_N = located(examples, model.device)
        return -(weights_N * token_logprobs(model, ids_BT, at_B, at_T)).sum()
