"""Rejection sampling (RFT, arXiv 2308.01825; ReST-EM, arXiv 2312.06585): A = 1 for what earned enough, else 0.

With the loss `cloning` the policy imitates its own good answers. Wrong ones teach nothing, which is what the methods
that use them are held against. Degenerate: a problem that is always solved still teaches, one never solved does not.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Batch, Credits, each_group
from ponder.algorithms.group_relative import on_tokens


class Rejection(Algorithm):
    """Keep the answers that earned more than `above`; with the loss cloning, rejection-sampling fine-tuning."""

    kind: Literal["rejection"] = "rejection"
    above: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    source: ClassVar[str] = "RFT (arXiv 2308.01825); ReST-EM (arXiv 2312.06585)"

    def credit(self, batch: Batch) -> Credits:
        kept = [
            [on_tokens(answer.trajectory, float(answer.reward > self.above)) for answer in group.answers_G]
            for group in batch.groups_P
        ]
        answers = batch.answers
        share = sum(answer.reward > self.above for answer in answers) / len(answers) if answers else 0.0
        return Credits(each_group(batch, kept), {"kept_share": share})
