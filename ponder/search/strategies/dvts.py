"""Diverse verifier tree search (search-and-learn's `dvts`): independent subtrees instead of one shared beam.

n/m subtrees each grow m leaves a round and keep their own best, so no subtree is pruned for another's sake and the
candidates stay diverse. A subtree whose best leaf is finished ends there. With one subtree (width = expand) this is
a greedy walk over steps, each the best of m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ponder.search.session.stepwise import kept
from ponder.search.strategies.beam import Beam
from ponder.types import Step, Trajectory


@dataclass(frozen=True)
class DVTS(Beam):
    """`width` n leaves a round in n/m subtrees of `expand` m leaves; everything else as in `Beam`."""

    def _roots(self, width: int) -> int:
        return kept(width, self.expand)

    def _survivors(self, families: Sequence[Sequence[Trajectory]], value: Mapping[Step, float]) -> list[Trajectory]:
        tops = [max(family, key=lambda leaf: value[leaf.leaf]) for family in families if family]
        return super()._survivors([tops], value)
