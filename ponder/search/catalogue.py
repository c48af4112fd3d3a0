"""The strategies by name, but for the planner, which chooses among these. A new strategy is one file and one line here.

`registry` has the planner too; whoever asks by name asks there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ponder.names import known, pick
from ponder.search.strategies.beam import Beam
from ponder.search.strategies.best_of_n import BestOfN
from ponder.search.strategies.chain import Chain
from ponder.search.strategies.confidence.deepconf import DeepConf
from ponder.search.strategies.confidence.deepconf_online import DeepConfOnline
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

CATALOGUE: dict[str, type[Thinking]] = {
    "sample": Sample,
    "vote": Vote,
    "best_of_n": BestOfN,
    "weighted_vote": WeightedVote,
    "deepconf": DeepConf,
    "deepconf_online": DeepConfOnline,
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
}


def build(strategies: Mapping[str, type[Thinking]], name: str, params: Mapping[str, Any]) -> Thinking:
    """The strategy `name` of `strategies` with `params`; PonderError for what it does not know."""
    strategy = pick("strategy", name, strategies)
    allowed = {f.name: f.default for f in fields(strategy)}
    for key, value in params.items():
        kind = type(allowed[known(f"parameter of strategy {name}", key, allowed)])
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise PonderError(f"strategy {name}: {key}={value!r}; give a value of type {kind.__name__}")
    made: Any = strategy(**params)
    result: Thinking = made
    return result
