"""Strategies by name. A new strategy is one file and one line here."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

from ponder.catalogue import Entry, of_dataclass
from ponder.search.planner.planner import Auto
from ponder.search.strategies.beam import Beam
from ponder.search.strategies.best_of_n import BestOfN
from ponder.search.strategies.chain import Chain
from ponder.search.strategies.critique import Critique
from ponder.search.strategies.dvts import DVTS
from ponder.search.strategies.forcing import Forcing
from ponder.search.strategies.lookahead import Lookahead
from ponder.search.strategies.mcts import MCTS
from ponder.search.strategies.mixed import Mixed
from ponder.search.strategies.particles import Particles
from ponder.search.strategies.rest_mcts import RestMCTS
from ponder.search.strategies.revision import Revision
from ponder.search.strategies.sample import Sample
from ponder.search.strategies.vote import Vote
from ponder.search.strategies.weighted_vote import WeightedVote
from ponder.search.strategy import Thinking
from ponder.types import PonderError

STRATEGIES: dict[str, type[Thinking]] = {
    "sample": Sample,
    "vote": Vote,
    "best_of_n": BestOfN,
    "weighted_vote": WeightedVote,
    "beam": Beam,
    "dvts": DVTS,
    "lookahead": Lookahead,
    "particles": Particles,
    "mcts": MCTS,
    "rest_mcts": RestMCTS,
    "revision": Revision,
    "critique": Critique,
    "mixed": Mixed,
    "forcing": Forcing,
    "chain": Chain,
    "auto": Auto,
}


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
    strategy = _known(name)
    allowed = {f.name: f.default for f in fields(strategy)}
    for key, value in params.items():
        if key not in allowed:
            raise PonderError(f"strategy {name} has no parameter {key!r}{_nearest(key, allowed)}")
        kind = type(allowed[key])
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise PonderError(f"strategy {name}: {key}={value!r}; give a value of type {kind.__name__}")
    made: Any = strategy(**params)
    result: Thinking = made
    return result


def needs_judge(name: str) -> bool:
    """Whether the strategy `name` cannot run without a verifier."""
    return _known(name).needs_judge


def _known(name: str) -> type[Thinking]:
    if name not in STRATEGIES:
        raise PonderError(f"unknown strategy {name!r}{_nearest(name, STRATEGIES)}")
    return STRATEGIES[name]


def _nearest(name: str, names: Any) -> str:
    close = get_close_matches(name, list(names), n=1, cutoff=0.5)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return f"{guess}; there are {', '.join(names)}" if not guess else f"{guess} There are {', '.join(names)}"
