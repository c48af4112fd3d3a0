"""Who asks, and what they may: the tier of a key, or of everybody where no keys are asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponder.config import Strict

Tokens = Annotated[int, Field(ge=1)]


class Price(Strict):
    """What a million tokens cost: of prompts, and of thinking (all that was spent, the answer included)."""

    prompt: Annotated[float, Field(ge=0)] = 0.0
    thinking: Annotated[float, Field(ge=0)] = 0.0

    def of(self, prompt: int, spent: float) -> float:
        """The price of one request."""
        return (prompt * self.prompt + spent * self.thinking) / 1e6


class Tier(Strict):
    """What keys of a kind may do; None is no limit. Budgets are in token-equivalents.

    `request`, `minute` and `month` are the most that one request, a minute and a calendar month (UTC) may spend;
    `requests` how many may begin in a minute, `concurrent` how many may be under way. `effort` is the one of a request
    that names none. `show_thinking` false: nothing of the thinking is shown, whatever a request asks for.
    """

    request: Tokens | None = None
    minute: Tokens | None = None
    month: Tokens | None = None
    requests: Tokens | None = None
    concurrent: Tokens | None = None
    effort: str = "medium"
    show_thinking: bool = True


class Caller(Strict):
    """One who may ask: the id of the key (never the key itself), its name, and its tier with the tier's name."""

    id: str = "open"
    name: str = "open"
    tier_name: str = "open"
    tier: Tier = Tier()
