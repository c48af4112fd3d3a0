"""Rejection sampling (RFT, arXiv 2308.01825; ReST-EM, arXiv 2312.06585): A = 1 for what earned enough, else 0.

With the loss `cloning` the policy imitates its own good answers. Wrong ones teach nothing, which is what the methods
that use them are held against. `most` answers of a problem are kept, each text once (0: all of them, as they come), or
easy problems would fill the rows; ReST-EM keeps 10. An answer that met its token limit is never kept: it would teach to
stop there. Degenerate: a problem that is always solved still teaches, one never solved does not.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ponder.algorithms.algorithm import Algorithm, Answers, Batch, Credits, each_group
from ponder.algorithms.group_relative import on_tokens
from ponder.types import StopReason


class Rejection(Algorithm):
    """Keep the answers that earned more than `above`; with the loss cloning, rejection-sampling fine-tuning."""

    kind: Literal["rejection"] = "rejection"
    above: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    most: Annotated[int, Field(ge=0)] = 0
    source: ClassVar[str] = "RFT (arXiv 2308.01825); ReST-EM (arXiv 2312.06585)"
    loss: ClassVar[str] = "cloning"

    def credit(self, batch: Batch) -> Credits:
        kept = [self._kept(group) for group in batch.groups_P]
        advantages = [
            [on_tokens(answer.trajectory, float(keep)) for answer, keep in zip(group.answers_G, keeps, strict=True)]
            for group, keeps in zip(batch.groups_P, kept, strict=True)
        ]
        everything = [keep for keeps in kept for keep in keeps]
        share = sum(everything) / len(everything) if everything else 0.0
        return Credits(each_group(batch, advantages), {"kept_share": share})

    def _kept(self, group: Answers) -> list[bool]:
        seen: set[tuple[int, ...]] = set()
        kept = []
        for answer in group.answers_G:
            tokens = answer.trajectory.tokens
            good = answer.reward > self.above and answer.trajectory.stop is not StopReason.LENGTH
            keep = good and (not self.most or (tokens not in seen and len(seen) < self.most))
            if keep:
                seen.add(tokens)
            kept.append(keep)
        return kept
