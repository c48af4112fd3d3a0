"""What an engine did, counted so that its floating-point operations follow exactly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Tokens through the trunk, the sum of the `contexts` that they looked at, and rows of logits (`heads`).

    Padding is not counted: it is work that the machine did and nobody needed.
    """

    tokens: int = 0
    contexts: int = 0
    heads: int = 0

    def computed(self, new: int, before: int) -> None:
        """`new` successive tokens after `before` others; each looks at all before it and at itself."""
        self.tokens += new
        self.contexts += new * before + new * (new + 1) // 2
