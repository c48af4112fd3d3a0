"""From specs to problem families, problems and their grader."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.api.machine import cores
from ponder.problems.registry import parse_many
from ponder.protocols import Family
from ponder.types import Problem
from ponder.verifiers.truth import GroundTruth


def load_families(specs: Sequence[str]) -> list[Family]:
    """The families that the specs name, in order."""
    return [family for spec in specs for family in parse_many(spec)]


def ground_truth(some: Sequence[Family], *, allow_unsafe_code: bool = False) -> GroundTruth:
    """The grader of these families; use it as a context manager, it may own worker processes.

    Without `allow_unsafe_code` a machine that cannot isolate programs is refused with the first one.
    """
    named = {family.name: family for family in some}
    return GroundTruth(named, workers=cores(), allow_unsafe_code=allow_unsafe_code)


def draw_problems(families: Sequence[Family], split: str, limit: int, seed: int) -> list[Problem]:
    """`limit` different problems of each family (fewer if a family has no more)."""
    return [problem for family in families for problem in _distinct(family, split, limit, seed)]


def _distinct(family: Family, split: str, limit: int, seed: int) -> list[Problem]:
    found: dict[str, Problem] = {}
    for index in range(limit * 20):
        problem = family.problem(index, split=split, seed=seed)
        found.setdefault(problem.question.text, problem)
        if len(found) == limit:
            break
    return list(found.values())
