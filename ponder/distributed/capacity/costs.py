"""What GPU hours cost: ranges of on-demand list prices, with the date and the page they were read from.

Prices move by half within a year, and what a provider asks differs by more than two; give your own with --price.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "mercatus-ai.com/blog/cloud-gpu-pricing, rates of May 2026, read 26 Nov 2026"


@dataclass(frozen=True)
class Price:
    """US dollars a GPU hour on demand, from the cheapest to the dearest provider of the table at `source`."""

    low: float
    high: float
    source: str = SOURCE

    @property
    def middle(self) -> float:
        """The geometric mean: prices differ by factors."""
        return float((self.low * self.high) ** 0.5)


PRICES = {
    "a100": Price(0.80, 3.00),
    "h100": Price(1.99, 5.00),
    "h200": Price(2.50, 7.00),
}
