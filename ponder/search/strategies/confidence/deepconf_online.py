"""Deep Think with Confidence, online (Fu et al., arXiv 2508.15260): chains that begin to guess are stopped on the way.

`warm` chains are drawn to their end. The lowest group confidence that the surest share `keep` of them reaches is the
threshold; every further chain is drawn step by step and dropped as soon as one of its groups falls below it. After each
wave the search ends if the leading answer holds the share `consensus` of the summed confidence. What a dropped chain
drew is paid for. Stopping can only happen at the end of a step, so long steps save less than the paper's token by
token. Equals `sample` with one draw; with `warm` at or above `n_max` it is the vote among the surest of `deepconf`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.search.common import together
from ponder.search.session.choose import Candidate
from ponder.search.session.remainder import with_remainder
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw, ended, fitting
from ponder.search.strategies.confidence.deepconf import DeepConf
from ponder.search.strategies.confidence.measure import confidences, lowest_group, support, surest, threshold
from ponder.types import Trajectory


@dataclass(frozen=True)
class DeepConfOnline(DeepConf):
    """As `DeepConf`, with chains stopped early and an early end of the search; at most `every` chains at a time."""

    warm: int = 16
    every: int = 16
    consensus: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("warm", 1, float("inf"))
        self.allow("every", 1, float("inf"))
        self.allow("consensus", 0, 1)

    async def think(self, session: SearchSession) -> list[Candidate]:
        drawn = await draw(session, min(self.warm, self.n_max))
        found = self.noted(session, drawn)
        if len(drawn) < self.warm or not ended(drawn):
            return self._kept(found, self._least(drawn))
        least, asked = self._least(drawn), self.warm
        found = self._kept(found, least)
        while asked < self.n_max and not self._agreed(found):
            n = min(self.every, self.n_max - asked, fitting(session, drawn))
            if not n:
                return self._kept(await with_remainder(session, found, len(found) + self.n_max - asked), least)
            came, dry = await self._wave(session, n, least)
            found += self._kept(session.candidates(came), least)
            asked += n
            if dry:
                break
        return found

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        """Those below the threshold are gone already."""
        return surest(candidates, self.group)

    def _least(self, drawn: Sequence[Trajectory]) -> float:
        return threshold(confidences(drawn, self.group), self.keep)

    def _kept(self, candidates: Sequence[Candidate], least: float) -> list[Candidate]:
        """Those that are as sure as the threshold; all where confidence is not known."""
        known = confidences([c.trajectory for c in candidates], self.group)
        return [c for c, sure in zip(candidates, known, strict=True) if sure is None or sure >= least]

    def _agreed(self, found: Sequence[Candidate]) -> bool:
        weights = support(found, self.group).values()
        return bool(weights) and max(weights) >= self.consensus * sum(weights)

    async def _wave(self, session: SearchSession, n: int, least: float) -> tuple[list[Trajectory], bool]:
        """Those of `n` chains that ended and were never unsure; and whether the source has no more.

        All go one step at a time, side by side, so that what is drawn does not depend on which call returns first.
        """
        alive = await session.grow(None, n, until="step", max_tokens=self.thinking, name="draw")
        dry, done = len(alive) < n, list[Trajectory]()
        while alive:
            done += ended(alive)
            open_ones = [t for t in alive if not t.leaf.is_end and len(t) < self.thinking]
            going = [t for t in open_ones if not self._is_unsure(t, least)]
            session.drop([t for t in alive if t not in going and t not in done])
            room = [self.thinking - len(t) for t in going]
            grown = await together(
                [
                    session.grow(t, 1, until="step", max_tokens=left, name="step")
                    for t, left in zip(going, room, strict=True)
                ]
            )
            dry |= not all(grown)
            # One that neither ends nor adds a token would never come to an end.
            pairs = zip(going, grown, strict=True)
            alive = [t for before, some in pairs for t in some if t.leaf.is_end or len(t) > len(before)]
        return done, dry

    def _is_unsure(self, trajectory: Trajectory, least: float) -> bool:
        """Whether a whole group has fallen below the threshold."""
        if len(trajectory) < self.group:
            return False
        sure = lowest_group(trajectory.leaf, self.group)
        return sure is not None and sure < least
