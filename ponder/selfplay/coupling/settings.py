"""How generator and verifier are coupled: one switch for each direction, and whether they share their weights.

    kind      outcome        process                    both
    paid      ground truth   the verifier's score       ground truth + weight * score
    labels    rollouts (Math-Shepherd), outcomes alone, or the values of the search trees (ReST-MCTS*)
    weights   dual: two models                unified: one trunk with two heads, which both of them train

Under every kind the verifier learns each round from what the policy found, so the second direction is always there;
`kind` decides whether the first one is. Degenerate cases: with "process" nobody but the verifier says what is right,
and a policy that learns to fool it is paid for that (the share of answers which only the verifier likes is in the log
and has an alarm). A verifier that has learned nothing yet pays noise, so its score counts `after` so many rounds. With
labels from trees and plain draws the trees share no step, and all that is left of the values is progress on right
answers and zero on wrong ones.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.config import Strict

Shape = Literal["score", "difference", "minimum"]


class Coupling(Strict):
    """What the policy is paid (`kind`), what the verifier learns from (`labels`), and whose weights it has (`weights`).

    `shape` and `weight` are those of the reward `process`. `after` rounds the verifier's score begins to count; before
    that the outcome alone is paid. With unified weights the verifier's steps move the policy's trunk at
    `learning_rate` (0: the policy's own) and right answers are cloned along with weight `clone`, so that it does not
    forget how to answer.
    """

    kind: Literal["outcome", "process", "both"] = "outcome"
    shape: Shape = "difference"
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.3
    after: Annotated[int, Field(ge=0)] = 1
    labels: Literal["rollouts", "outcomes", "tree"] = "rollouts"
    weights: Literal["dual", "unified"] = "dual"
    clone: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1 / 3
    learning_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
