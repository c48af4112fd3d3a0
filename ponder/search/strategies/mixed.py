"""Sequential and parallel thinking mixed (Snell et al., arXiv 2408.03314, section 6.2): chains side by side.

The budget is divided into as many chains of `length` attempts as surely fit. `length` 1 is the majority vote; one chain
is `Revision`. The paper found the best ratio to depend on difficulty: easy questions want long chains, hard ones both.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.search.strategies.revision import Revision


@dataclass(frozen=True)
class Mixed(Revision):
    """Chains of `length` attempts, as many at once as fit; what they leave begins further ones."""

    length: int = 4

    def abreast(self, fitting: int, most: int) -> int:
        """`fitting // length` chains, or one that will end early."""
        return min(max(1, min(fitting, most) // self.length), fitting, most)
