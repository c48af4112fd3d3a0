"""What provers are paid (Prover-Verifier Games, arXiv 2407.13692, section 3 and appendix).

With V' the verifier's score less the mean over the batch, c = 1 for a right answer and h = 1 for the helpful role:

    src   (2c - 1)(2h - 1) V'  where V' > 0, else -1
    cgc   V'                   where the role and the answer agree (helpful and right, sneaky and wrong), else -2

So a helpful prover is paid for being right and believed, a sneaky one for being wrong and believed, and nobody for
anything else: a sneaky prover that answers right, or a helpful one that answers wrong, never gets a positive reward.
Neither does one that gives no answer (an empty one, or one that was cut), however much the verifier likes it: silence
is wrong and might be believed, and a sneaky prover would learn to say nothing. It earns -1 (src) or -2 (cgc).

Where the verifier is fooled, src leads the helpful prover astray: right and not believed costs 1, wrong and believed
only V'. Under cgc playing the role always pays more, so it is the default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from ponder.rewards.component import Component, Graded
from ponder.selfplay.provers.roles import is_silent, is_sneaky
from ponder.types import PonderError, Trajectory, Verdict

MISMATCH = -2.0
UNBELIEVED = -1.0


class Prover(Component):
    """The reward of a prover in its role; `started` False pays nothing, for there is no verifier yet.

    The scores that it is given must be centred on the batch (`centred`).
    """

    kind: Literal["prover"] = "prover"
    variant: Literal["src", "cgc"] = "cgc"
    started: bool = True
    source: ClassVar[str] = "Prover-Verifier Games (arXiv 2407.13692)"
    needs: ClassVar[tuple[str, ...]] = ("verifier",)

    def pay(self, graded: Graded) -> Sequence[float]:
        if not self.started:
            return [0.0] * len(graded)
        if len(graded.scores_G) != len(graded):
            raise PonderError(f"reward prover: {len(graded.scores_G)} scores for {len(graded)} answers to {graded.id}")
        sneaky, nothing = is_sneaky(graded.group.problem), MISMATCH if self.variant == "cgc" else UNBELIEVED
        return [
            nothing
            if is_silent(trajectory)
            else prover_reward(_score(verdict, graded.id), right=outcome > 0.5, sneaky=sneaky, variant=self.variant)
            for trajectory, verdict, outcome in zip(
                graded.trajectories_G, graded.scores_G, graded.outcomes_G, strict=True
            )
        ]


def prover_reward(score: float, *, right: bool, sneaky: bool, variant: Literal["src", "cgc"]) -> float:
    """The reward for an answer with this centred score."""
    agrees = right != sneaky
    if variant == "cgc":
        return score if agrees else MISMATCH
    if score <= 0:
        return UNBELIEVED
    return score if agrees else -score


Scores = Callable[[Sequence[Trajectory]], list[Verdict]]


def centred(score: Scores) -> Scores:
    """The same verdicts with their scores less the mean over all that are asked about in one call: V'."""

    def of(trajectories: Sequence[Trajectory]) -> list[Verdict]:
        verdicts = score(trajectories)
        known = [verdict.score for verdict in verdicts if verdict.score is not None]
        mean = sum(known) / len(known) if known else 0.0
        return [v if v.score is None else replace(v, score=v.score - mean) for v in verdicts]

    return of


def _score(verdict: Verdict, id: str) -> float:
    if verdict.score is None:
        raise PonderError(f"reward prover: the verifier gave no score for an answer to {id}")
    return verdict.score
