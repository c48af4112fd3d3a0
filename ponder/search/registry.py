"""All strategies by name: those of the catalogue, and the planner, which chooses among them."""

from __future__ import annotations

from typing import Any

from ponder.names import pick
from ponder.search.catalogue import CATALOGUE, build
from ponder.search.planner.planner import Auto
from ponder.search.strategy import Thinking

STRATEGIES: dict[str, type[Thinking]] = {**CATALOGUE, "auto": Auto}


def make(name: str, **params: Any) -> Thinking:
    """The strategy `name` with `params`: `make("vote", max_tokens=256)`. Every strategy has vetted defaults."""
    return build(STRATEGIES, name, params)


def needs_judge(name: str) -> bool:
    """Whether the strategy `name` cannot run without a verifier."""
    return pick("strategy", name, STRATEGIES).needs_judge
