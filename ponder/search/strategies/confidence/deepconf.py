"""Deep Think with Confidence, offline (Fu et al., arXiv 2508.15260): a vote among the chains the policy was surest of.

Draw as the vote does, keep the share `keep` whose lowest group confidence is highest (`measure.py`, which
says how it departs from the paper), and sum confidences by answer. Equals the majority vote when all confidences are
equal or unknown and `keep` is 1, and `sample` with one draw. It fails where a policy is sure of its mistakes, which
training by reinforcement makes more likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw
from ponder.search.strategies.confidence.measure import confidences, filtered, surest
from ponder.search.strategy import Thinking
from ponder.types import PonderError, Trajectory

UNKNOWN = "the policy's source gives no log-probabilities, so confidence could not be read and the plain vote decided"
LEAST_WINDOW = 8


@dataclass(frozen=True)
class DeepConf(Thinking):
    """Draw up to `n_max` trajectories; of the surest share `keep`, answer with the largest summed confidence.

    `window` is how many tokens one group has; 0 takes a sixteenth of `max_tokens` (2,048 of 32,768, as in the paper),
    at least 8. The paper's two settings are `keep` 0.9 and 0.1. The judge is not asked.
    """

    n_max: int = 256
    window: int = 0
    keep: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("window", 0, float("inf"))
        if not 0 < self.keep <= 1:
            raise PonderError(f"keep={self.keep}: give the share of the trajectories to keep, above 0 and at most 1")

    @property
    def group(self) -> int:
        """Tokens of one group."""
        return self.window or max(LEAST_WINDOW, self.max_tokens // 16)

    async def think(self, session: SearchSession) -> list[Candidate]:
        return self.noted(session, await draw(session, self.n_max))

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        return surest(filtered(candidates, self.group, self.keep), self.group)

    def noted(self, session: SearchSession, drawn: Sequence[Trajectory]) -> list[Candidate]:
        """The candidates; a note if the confidence of any is not known."""
        if len(drawn) > 1 and None in confidences(drawn, self.group):
            session.note(UNKNOWN)
        return session.candidates(drawn)
