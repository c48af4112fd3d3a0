"""Vote weighted by a verifier (Li et al., arXiv 2206.02336): `argmax_a sum_i s_i 1(a_i = a)`.

Equals the majority vote when all scores are equal or the verifier fails, and `sample` with one draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.search.session.choose import Candidate, weighted
from ponder.search.strategies.best_of_n import BestOfN


@dataclass(frozen=True)
class WeightedVote(BestOfN):
    """Draw as `BestOfN` does, early stop included; answer with the answer of the largest summed score."""

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        return weighted(candidates)
