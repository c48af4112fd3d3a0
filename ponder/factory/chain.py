"""A chain made to order: spans of text, each with where it comes from, that together are one response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ponder.types import Problem

Kind = Literal["right", "wrong", "turn", "plan", "elaboration", "critique", "correction", "continuation"]


@dataclass(frozen=True)
class Span:
    """A piece of a response. `by` is who wrote it: a model in a role, or "factory" for words put between.

    `source` names the sample that it was cut from (empty: written for this chain), `note` what is known of it.
    """

    kind: Kind
    text: str
    by: str
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Chain:
    """A response to `problem` made by `method`. Its text is that of its spans; `outcome` is ground truth's verdict.

    `round` counts bootstrapping, from 0.
    """

    problem: Problem
    method: str
    spans: tuple[Span, ...]
    outcome: float | None = None
    round: int = 0

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)
