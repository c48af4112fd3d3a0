"""The kinds of learned verifier by name, with the form of checkpoint and the aggregation that fit what each learned."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.models.heads import Form
from ponder.types import PonderError
from ponder.verifiers.aggregation import Aggregation


@dataclass(frozen=True, slots=True)
class Kind:
    """`labels` are outputs of the head (0: none). `aggregation` None: the kind gives one score and no step scores."""

    form: Form
    labels: int
    aggregation: Aggregation | None
    learns_from: str


KINDS: dict[str, Kind] = {
    "outcome": Kind("sequence", 1, None, "outcomes"),
    "outcome_per_token": Kind("token", 2, "last", "outcomes, at every token"),
    "process": Kind("token", 2, "last", "step labels, hard or soft"),
    "pairwise": Kind("token", 2, "last", "pairs of sibling steps"),
    "value": Kind("token", 1, "last", "step labels, squared error"),
    "implicit": Kind("causal", 0, "last", "outcomes, against a reference"),
    "generative": Kind("causal", 0, None, "outcomes, in words"),
    "preference": Kind("sequence", 1, None, "right and wrong trajectories of a problem"),
}


def kind(name: str) -> Kind:
    """The kind called `name`; PonderError with all allowed names if there is none."""
    if name not in KINDS:
        raise PonderError(f"unknown kind of verifier {name!r}; allowed are {', '.join(KINDS)}")
    return KINDS[name]
