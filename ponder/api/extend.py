"""Add something of one's own by name, from a script or a plugin; what is registered can be named everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import TypeVar

from ponder.algorithms import ALGORITHMS
from ponder.api.policies import SCHEMES, MakesSource
from ponder.api.verifiers.loading import VERIFIERS, MakesVerifier
from ponder.environments import ENVIRONMENTS
from ponder.evaluation import self_check
from ponder.losses import LOSSES
from ponder.problems.registry import register as register_family
from ponder.rewards import REWARDS
from ponder.search.registry import register as register_strategy
from ponder.tools import TOOLS
from ponder.types import PonderError

__all__ = [
    "load_plugin",
    "register_algorithm",
    "register_engine",
    "register_environment",
    "register_family",
    "register_loss",
    "register_reward",
    "register_strategy",
    "register_tool",
    "register_verifier",
]
# Decorators on settings classes with a `kind` of their own (see `ponder.plugins`), chosen by algorithm.kind and so on.
register_algorithm = ALGORITHMS.register
register_environment = ENVIRONMENTS.register
register_loss = LOSSES.register
register_reward = REWARDS.register
register_tool = TOOLS.register
E = TypeVar("E", bound=MakesSource)
V = TypeVar("V", bound=MakesVerifier)


def register_engine(scheme: str) -> Callable[[E], E]:
    """Make models named `scheme:REST` known: a decorator on a function (rest, *, temperature) -> Source.

    `ponder.source_from_engine` makes a source of an engine and a codec. Raises PonderError for a name that is taken.
    """
    _refuse_taken("engine", scheme, scheme in SCHEMES or scheme in ("http", "https"))

    def known(made: E) -> E:
        SCHEMES[scheme] = made
        return made

    return known


def register_verifier(name: str) -> Callable[[V], V]:
    """Make a verifier known as `name`: a decorator on a function or class (source) -> Judge.

    The source is the policy that the verifier will judge. Raises PonderError for a name that is taken.
    """
    _refuse_taken("verifier", name, name in VERIFIERS or name == self_check.NAME)

    def known(made: V) -> V:
        VERIFIERS[name] = made
        return made

    return known


def load_plugin(file: Path) -> None:
    """Run a Python file of one's own, which registers what it adds. It runs as code: load only what you trust."""
    if not file.is_file():
        raise PonderError(f"plugin {file}: no such file; give a Python file that registers something")
    run_path(str(file), run_name=f"ponder_plugin_{file.stem}")


def _refuse_taken(kind: str, name: str, taken: bool) -> None:
    if taken:
        raise PonderError(f"{kind} {name!r} is there already; choose another name")
    if not name.replace("_", "").replace("-", "").isalnum():
        raise PonderError(f"{kind} {name!r}: a name is made of letters, digits, - and _")
