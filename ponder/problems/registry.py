"""Families by name. A spec names one: `countdown`, `arithmetic?terms=4&largest=9`, `gym:chain_sum`, `jsonl:PATH`.

Several specs stand side by side with commas. A new family is one file and one line in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from inspect import getdoc
from typing import Any, TypeVar

from ponder import catalogue as catalogues
from ponder.names import known
from ponder.problems.code.family import Code
from ponder.problems.constraints.family import Constraints
from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown
from ponder.problems.families.formula import Formula
from ponder.problems.families.shapes import Shapes
from ponder.problems.families.transforms import Transforms
from ponder.problems.files.corpus import Corpus
from ponder.problems.files.hub import Hub
from ponder.problems.files.jsonl import Jsonl
from ponder.problems.games.kuhn import Kuhn
from ponder.problems.games.nim import Nim
from ponder.problems.games.tictactoe import TicTacToe
from ponder.problems.gym.family import Gym, gym
from ponder.problems.names import typed
from ponder.problems.public.openenv import OpenEnvEpisodes
from ponder.problems.public.verifiers import Verifiers
from ponder.protocols import Family
from ponder.types import PonderError


@dataclass(frozen=True)
class Entry:
    """How a family is made. `target` names what stands after the colon ("" if nothing does).

    `parameters` are names with defaults; None where the target decides, and then `build` checks them.
    """

    summary: str
    build: Callable[..., Family]
    parameters: Mapping[str, Any] | None
    target: str = ""


def _generated(cls: type[Any]) -> Entry:
    """The entry of a dataclass whose fields (all but its name) are its parameters."""
    parameters = {f.name: f.default for f in fields(cls) if f.name != "name"}
    return Entry(_summary(cls), cls, parameters)


def _summary(cls: type[Any]) -> str:
    return (getdoc(cls) or "").partition("\n")[0]


def _gym(task: str, **parameters: str) -> Gym:
    return gym(task, parameters)


_COLUMNS = {"config": "", "question": "question", "answer": "answer", "after": ""}
FAMILIES: dict[str, Entry] = {
    "arithmetic": _generated(Arithmetic),
    "cipher": _generated(Cipher),
    "code": _generated(Code),
    "constraints": _generated(Constraints),
    "countdown": _generated(Countdown),
    "formula": _generated(Formula),
    "kuhn": _generated(Kuhn),
    "nim": _generated(Nim),
    "shapes": _generated(Shapes),
    "tictactoe": _generated(TicTacToe),
    "transforms": _generated(Transforms),
    "gym": Entry("A task of reasoning-gym, judged by its own scorer.", _gym, None, "TASK"),
    "corpus": Entry("Questions about the passages of a file, which are not shown.", Corpus, {}, "PATH"),
    "jsonl": Entry("The rows of a file, one JSON object a line.", Jsonl, {"split": "", "verifier": ""}, "PATH"),
    "verifiers": Entry(_summary(Verifiers), Verifiers, {"least": 1.0, "limit": 10_000, "settings": ""}, "TASKSET"),
    "openenv": Entry(_summary(OpenEnvEpisodes), OpenEnvEpisodes, {"instructions": ""}, "URL"),
    "hf": Entry("A data set of the Hugging Face hub.", Hub, _COLUMNS, "DATASET"),
}


C = TypeVar("C", bound=type[Any])


def register(name: str) -> Callable[[C], C]:
    """Make a family of one's own known as `name`: a decorator on a dataclass with the methods of `protocols.Family`.

    Its fields (all but `name`, each with a default) are what `name?field=value` sets. Raises PonderError for a name
    that is taken or cannot stand in a spec.
    """
    if not name.replace("_", "").replace("-", "").isalnum():
        raise PonderError(f"problem family {name!r}: a name is made of letters, digits, - and _")

    def known_as(cls: C) -> C:
        if name in FAMILIES and FAMILIES[name].build is not cls:
            raise PonderError(f"problem family {name!r} is there already; choose another name")
        if not is_dataclass(cls):
            raise PonderError(f"problem family {name!r}: {cls.__name__} is no dataclass; put @dataclass above it")
        FAMILIES[name] = _generated(cls)
        return cls

    return known_as


def catalogue() -> list[catalogues.Entry]:
    """Every family with its parameters."""
    return [
        catalogues.Entry(
            f"{name}:{entry.target}" if entry.target else name,
            entry.summary,
            settings=tuple(
                catalogues.Setting(key, type(default).__name__, default)
                for key, default in (entry.parameters or {}).items()
            ),
        )
        for name, entry in FAMILIES.items()
    ]


def parse(spec: str) -> Family:
    """The family that `spec` names. Raises PonderError with the nearest name and what is allowed."""
    head, _, tail = spec.strip().partition("?")
    name, colon, target = head.partition(":")
    entry = FAMILIES[known("problem family", name, FAMILIES)]
    if bool(entry.target) != bool(target):
        form = f"{name}:{entry.target}" if entry.target else f"{name} without a colon"
        raise PonderError(f"problems {spec!r}: write {form}")
    given = _pairs(spec, tail)
    build = partial(entry.build, target) if colon else entry.build
    if entry.parameters is None:
        return build(**given)
    return build(**{key: typed(head, key, text, entry.parameters) for key, text in given.items()})


def parse_many(spec: str) -> list[Family]:
    """The families of a comma-separated spec; commas inside square brackets belong to a value."""
    families = [parse(part) for part in _split(spec)]
    names = [family.name for family in families]
    for name in names:
        if names.count(name) > 1:
            raise PonderError(f"problems {spec!r}: {name} is there twice; results are kept by name, so name it once")
    return families


def _split(spec: str) -> list[str]:
    parts, depth = [""], 0
    for character in spec:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if not all(part.strip() for part in parts):
        raise PonderError(f"problems {spec!r}: a family is missing; write for example countdown,arithmetic?terms=4")
    return parts


def _pairs(spec: str, tail: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in tail.split("&") if tail else ():
        key, equals, value = part.partition("=")
        if not key or not equals or key in pairs:
            raise PonderError(f"problems {spec!r}: {part!r} is not one key=value; write NAME?key=value&key=value")
        pairs[key] = value
    return pairs
