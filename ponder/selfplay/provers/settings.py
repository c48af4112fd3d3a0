"""The settings of a prover-verifier game (arXiv 2407.13692), off unless asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.config import Strict

Positive = Annotated[int, Field(ge=1)]


class Provers(Strict):
    """With `enabled` every problem is asked twice: for a good solution, and for a convincing one that is wrong.

    The run's verifier is trained from scratch after each round, by Bradley-Terry on pairs of a right and a wrong answer
    to one problem, from all rounds so far (`remembered` answers at most, the latest), in `epochs` passes; a fifth of
    the problems is held out to measure it on the provers of every round. `reward` is what provers are paid: "cgc" or
    "src" (`selfplay.provers.reward`). The first round pays nothing: it shows the verifier what the base does.
    """

    enabled: bool = False
    reward: Literal["src", "cgc"] = "cgc"
    epochs: Positive = 2
    remembered: Positive = 20_000
