"""Pairwise preference on sibling steps: which of two continuations of the same prefix is worth more.

Loss: cross entropy of sigma(score(a) - score(b)) against (1 + p - q) / 2 for labels p and q (OmegaPRM, 2406.06592,
section 3.3), or with `soft` off against 1 (the preference model of rStar-Math, 2501.04519: log 2 at equal scores).
Siblings are rare where every trajectory was drawn from the root; so whole trajectories of one problem are compared
at their ends as well, as rStar-Math does for the last step. Without any two unequal siblings it learns nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.models.heads import Form
from ponder.verifiers.learned.common.pairs import contrasts, pair_loss, pair_of
from ponder.verifiers.learned.process.objective import step_labels

Place = tuple[float, tuple[int, ...], int]  # label, tokens up to the step's end, position of that end


@dataclass(frozen=True)
class Pairwise:
    """Token classification with two labels, like the process reward model, whose place it can take."""

    soft: bool = True
    form: Form = "token"
    labels: int = 2
    work: float = 3.0

    def examples(self, rows: Sequence[JudgedRow]) -> list[Example]:
        return [
            pair_of(a[1], a[2], b[1], b[2], (1 + a[0] - b[0]) / 2 if self.soft else 1.0)
            for siblings in groups(rows)
            for a, b in _contrasted(siblings)
        ]

    def loss(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        return pair_loss(model, examples)


def groups(rows: Sequence[JudgedRow]) -> Iterator[list[Place]]:
    """Labelled steps after the same tokens, and the ends of all trajectories of one problem. Equal steps count once."""
    found: dict[tuple[object, ...], dict[tuple[int, ...], Place]] = {}
    for row in rows:
        parent = dict(zip(row.ends, (row.start - 1, *row.ends), strict=False))
        for at, label in step_labels(row):
            final = at == row.last
            key = (row.problem, "end") if final else (row.problem, row.tokens[: parent[at] + 1])
            upto = row.tokens[: at + 1]
            found.setdefault(key, {})[upto] = (label, upto, at)
    yield from (list(places.values()) for places in found.values())


def _contrasted(siblings: Sequence[Place]) -> list[tuple[Place, Place]]:
    return [(siblings[a], siblings[b]) for a, b in contrasts([(s[0], i) for i, s in enumerate(siblings)])]
