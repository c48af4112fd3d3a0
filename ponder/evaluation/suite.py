"""A fixed list of held-out problems, and what the tries on them came to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.protocols import Family, Finite, Levelled
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem

SPLITS = ("validation", "test")
# A family draws with replacement; so many times n indices are looked at for n different problems.
_PATIENCE = 20
Tries = tuple[float, ...]  # outcomes of the tries on one problem


@dataclass(frozen=True, slots=True)
class Suite:
    """Held-out problems of one split."""

    split: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """Outcomes of every problem of a suite at `temperature`, in the suite's order.

    `tries_P` may hold an empty entry: none of that problem's `failures` could be graded. It is no zero. `turns` is the
    summary of `evaluation.episodes` where the tries were episodes of an environment.
    """

    suite: Suite
    temperature: float
    tries_P: tuple[Tries, ...]
    failures: int = 0
    turns: Mapping[str, Any] | None = None


def build_suite(families: Sequence[Family], n: int, *, split: str = "test", seed: int = 0) -> Suite:
    """The first `n` different problems of each family at its level; a family may occur at several levels.

    Problems of equal text are one problem: counted twice they would make intervals too narrow. A file with fewer rows
    in the split gives all that it has.
    """
    if split not in SPLITS:
        raise PonderError(f"a suite is drawn from {' or '.join(SPLITS)}, not from {split!r}: it must be held out")
    if n < 1 or not families:
        raise PonderError(f"a suite of {n} problems of {len(families)} families is empty; give at least one of each")
    strata = [(family.name, family.level) for family in families]
    for name, level in strata:
        if strata.count((name, level)) > 1:
            raise PonderError(f"family {name} at level {level} is listed twice; name it once")
    return Suite(split, tuple(problem for family in families for problem in _different(family, n, split, seed)))


def _different(family: Family, n: int, split: str, seed: int) -> list[Problem]:
    found: dict[str, Problem] = {}
    for index in range(_PATIENCE * n):
        problem = family.problem(index, split=split, seed=seed)
        found.setdefault(problem.question.text, problem)
        if len(found) == n:
            return list(found.values())
    if found and isinstance(family, Finite) and not isinstance(family, Levelled):
        return list(found.values())
    raise PonderError(
        f"{family.name} at level {family.level} has only {len(found)} different {split} problems of the {n} asked for; "
        "ask for fewer or raise the level"
    )


RunOne = Callable[[Problem, int], Awaitable[Sequence[float | None]]]


async def evaluate(suite: Suite, run_one: RunOne, *, temperature: float, seed: int = 0) -> Scores:
    """Run all problems at once. `run_one(problem, seed)` gives the outcomes of its tries; None means not gradable."""
    seeds = [derive_seed("evaluate", seed, problem.id) for problem in suite.problems]
    found = await asyncio.gather(*map(run_one, suite.problems, seeds))
    tries_P = tuple(tuple(y for y in outcomes if y is not None) for outcomes in found)
    failures = sum(map(len, found)) - sum(map(len, tries_P))
    return Scores(suite, temperature, tries_P, failures)
