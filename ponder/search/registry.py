"""All strategies by name: those of the catalogue, and the planner, which chooses among them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from ponder.catalogue import Entry, of_dataclass
from ponder.names import pick
from ponder.search.catalogue import CATALOGUE, build
from ponder.search.planner.planner import Auto
from ponder.search.strategy import Thinking
from ponder.types import PonderError

STRATEGIES: dict[str, type[Thinking]] = {**CATALOGUE, "auto": Auto}


T = TypeVar("T", bound=type[Thinking])
_PAPER = re.compile(r"arXiv \d{4}\.\d{4,5}")


def register(name: str) -> Callable[[T], T]:
    """Make a strategy of one's own known as `name`: a decorator on a frozen dataclass that is a `Thinking`.

    Every field needs a default. Raises PonderError for a name that is taken.
    """

    def known(cls: T) -> T:
        if name in STRATEGIES and STRATEGIES[name] is not cls:
            raise PonderError(f"strategy {name!r} is there already; choose another name")
        STRATEGIES[name] = cls
        return cls

    return known


def catalogue() -> list[Entry]:
    """Every strategy with its settings; the paper is that in the head of its file."""
    return [
        of_dataclass(name, cls, source=_paper(cls), needs=("verifier",) if cls.needs_judge else ())
        for name, cls in STRATEGIES.items()
    ]


def _paper(cls: type[Thinking]) -> str:
    return ", ".join(dict.fromkeys(_PAPER.findall(sys.modules[cls.__module__].__doc__ or "")))


def make(name: str, **params: Any) -> Thinking:
    """The strategy `name` with `params`: `make("vote", max_tokens=256)`. Every strategy has vetted defaults."""
    return build(STRATEGIES, name, params)


def needs_judge(name: str) -> bool:
    """Whether the strategy `name` cannot run without a verifier."""
    return pick("strategy", name, STRATEGIES).needs_judge
