"""How training groups are drawn, as settings: `kind` says which, and each kind has its own fields and no others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ponder.plugins import Plugin, Registry
from ponder.protocols import Judge
from ponder.search.planner.table import parsed
from ponder.search.registry import make, needs_judge
from ponder.search.strategy import Thinking
from ponder.types import PonderError


class DrawSettings(Plugin):
    """The base of all ways to draw groups."""

    def options(self, max_tokens: int, judge: Judge | None) -> dict[str, Any]:
        """What `collect` needs besides, for trajectories of at most `max_tokens`; `judge` is the verifier there is."""
        raise NotImplementedError(f"{type(self).__name__} has no options method")


class PlainDraws(DrawSettings):
    """Independent answers of the policy."""

    kind: Literal["plain"] = "plain"

    def options(self, max_tokens: int, judge: Judge | None) -> dict[str, Any]:
        return {}


class SearchDraws(DrawSettings):
    """What a search finishes within `budget` token-equivalents a problem, for example `vote` or `beam?width=8`.

    A group then holds at most `group_size` of the search's candidates.
    """

    kind: Literal["search"] = "search"
    strategy: str = "vote"
    budget: Annotated[float, Field(gt=0)] = 4096.0

    def made(self, max_tokens: int) -> Thinking:
        """The strategy for trajectories of at most `max_tokens` tokens. Raises PonderError."""
        name, params = parsed(self.strategy)
        return make(name, **{"max_tokens": max_tokens, **params})

    def options(self, max_tokens: int, judge: Judge | None) -> dict[str, Any]:
        """The strategy and its budget; the verifier for those strategies that cannot do without."""
        asked = judge if needs_judge(parsed(self.strategy)[0]) else None
        return {"strategy": self.made(max_tokens), "judge": asked, "budget": self.budget}

    @model_validator(mode="after")
    def _strategy_exists(self) -> SearchDraws:
        try:
            name, params = parsed(self.strategy)
            make(name, **params)
        except PonderError as error:
            raise ValueError(str(error)) from None
        return self


DRAWS: Registry[DrawSettings] = Registry("way to draw", DrawSettings, default="plain")
for _settings in (PlainDraws, SearchDraws):
    DRAWS.register(_settings)
AnyDraws = Annotated[DrawSettings, DRAWS]
