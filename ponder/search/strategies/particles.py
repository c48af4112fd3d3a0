"""Particle filtering over steps (arXiv 2502.01618; with `weights="value"`, twisted SMC, arXiv 2410.01920).

n particles grow by one step each; the verifier scores every prefix; then n particles are drawn from them with chances
in proportion to their weights (systematic resampling: a particle with share w of the weight is drawn floor(nw) or
ceil(nw) times). Finished particles stay in the population and are drawn like others. Where a beam keeps the best, this
keeps the good in proportion, and a verifier that errs once does not decide the search.

Two weights. "score": the odds s / (1 - s) of the prefix' score (a softmax of its logit), for scores that say whether a
step is right. "value": s / s', the score over the parent's, for scores that are the chance to succeed. Those ratios
multiply to the last score, so if the scores are exact the particles follow the policy given that it succeeds.

Degenerates with constant scores to plain sampling: every particle is drawn once. When the verifier fails, likewise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from ponder.search.common import together
from ponder.search.session.choose import Candidate, filled
from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import Branch, Round, finish, is_full, is_over, open_leaves, plan
from ponder.search.strategies.beam import Beam
from ponder.types import Trajectory

_LEAST = 1e-3  # scores are kept this far from 0 and 1: no weight is infinite and no particle quite impossible


@dataclass(frozen=True, slots=True)
class Particle:
    """A branch (None: the root), the score of its prefix, its weight in the next drawing; `end` if it is finished."""

    branch: Branch
    score: float | None = None
    weight: float = 1.0
    end: Candidate | None = None


@dataclass(frozen=True)
class Particles(Beam):
    """`width` particles; everything else as in `Beam`, whose `expand` is not used.

    The population is itself the vote, since the good are in it more often: `choose` is "majority".
    """

    width: int = 8
    weights: Literal["value", "score"] = "value"
    choose: Literal["weighted", "best", "majority"] = "majority"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.among("weights", "value", "score")

    @property
    def shape(self) -> Round:
        return Round(1, self.step_tokens, self.stride)

    async def _search(self, session: SearchSession, most: int) -> list[Candidate]:
        particles = [Particle(None)] * min(self.width, most)
        while live := [p for p in particles if p.end is None]:
            now = plan(session, [p.branch for p in live], len(live), self.shape, learn=self.learns)
            going = _spread(live, now.leaves if session.judge else 0)
            grown = await self._grow(session, going, now) if going else []
            if not grown:
                break
            still = [Particle(p.branch, p.score, self._weight(p.score, p.score), p.end) for p in particles if p.end]
            particles = _resampled([*still, *grown], random.Random(session.next_seed("resample")))
            drawn = {p.branch.leaf for p in particles if p.branch}
            session.drop([p.branch for p in grown if p.branch and p.branch.leaf not in drawn])
        rest = [p.branch for p in particles if p.end is None and p.branch is not None]
        return [p.end for p in particles if p.end] + await finish(session, rest)

    async def _grow(self, session: SearchSession, going: Sequence[Particle], now: Round) -> list[Particle]:
        """Each of `going` one step further, scored and weighed, and finished where nothing but an answer can follow."""
        copies: dict[int, list[Particle]] = {}
        for particle in going:  # equal branches are grown in one call
            copies.setdefault(id(particle.branch), []).append(particle)
        groups = list(copies.values())
        calls = [open_leaves(session, [group[0].branch], now.with_leaves(len(group))) for group in groups]
        families = [opened[0] for opened in await together(calls)]
        parents = [group[0] for group, family in zip(groups, families, strict=True) for _ in family]
        leaves = [leaf for family in families for leaf in family]
        scores = await session.scores(leaves)
        weights = [self._weight(s, p.score) for s, p in zip(filled(scores), parents, strict=True)]
        ends = await self._ends(session, leaves, scores)
        return [Particle(*parts) for parts in zip(leaves, scores, weights, ends, strict=True)]

    async def _ends(
        self, session: SearchSession, leaves: Sequence[Trajectory], scores: Sequence[float | None]
    ) -> list[Candidate | None]:
        """The candidates of those leaves that are over or, having no room to go on, are made to answer."""
        full = [leaf for leaf in leaves if not is_over(leaf) and is_full(session, leaf)]
        forced = dict(zip([leaf.leaf for leaf in full], await finish(session, full), strict=False))
        over = [session.candidates([t], [s])[0] if is_over(t) else None for t, s in zip(leaves, scores, strict=True)]
        return [candidate or forced.get(t.leaf) for candidate, t in zip(over, leaves, strict=True)]

    def _weight(self, score: float | None, before: float | None) -> float:
        """The weight of a prefix with this score whose parent had the score `before` (None: the root)."""
        now = min(max(1.0 if score is None else score, _LEAST), 1 - _LEAST)
        if self.weights == "score":
            return now / (1 - now)
        return now / (1.0 if before is None else min(max(before, _LEAST), 1 - _LEAST))


def _spread(live: Sequence[Particle], n: int) -> list[Particle]:
    """`n` of the live particles, evenly spaced: copies stand side by side, so each branch loses its share."""
    return [live[i * len(live) // n] for i in range(n)]


def _resampled(particles: Sequence[Particle], rng: random.Random) -> list[Particle]:
    """As many particles, drawn systematically: one random offset, then equal strides through the summed weights."""
    sums = list(accumulate(p.weight for p in particles))
    stride, at = sums[-1] / len(particles), 0
    drawn, offset = [], rng.random()
    for i in range(len(particles)):
        while at < len(sums) - 1 and sums[at] <= (offset + i) * stride:
            at += 1
        drawn.append(particles[at])
    return drawn
