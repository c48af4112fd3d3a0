"""Pairs of rows of which one is better: how they are chosen, and their loss (Bradley-Terry)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example
from ponder.learning.objective import scored


def contrasts(valued: Sequence[tuple[float, int]]) -> list[tuple[int, int]]:
    """Pairs (better, worse) of indices: the best with the worst, the second best with the second worst, and so on.

    Each is used at most once; equal values make no pair. [(1, 0), (0, 1), (0, 2)] gives [(0, 2)].
    """
    ranked = sorted(valued, key=lambda pair: -pair[0])
    half = range(len(ranked) // 2)
    return [(ranked[i][1], ranked[-1 - i][1]) for i in half if ranked[i][0] > ranked[-1 - i][0]]


def pair_of(better: tuple[int, ...], at: int, worse: tuple[int, ...], other: int, target: float) -> Example:
    """Two rows, read at one position each; `target` is the chance that the first is the better."""
    return Example((better, worse), ((at,), (other,)), (target,))


def pair_loss(model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
    """Cross entropy between sigma(first - second) and the target."""
    logits, targets = scored(model, examples)
    return F.binary_cross_entropy_with_logits(logits[0::2] - logits[1::2], targets, reduction="sum")
