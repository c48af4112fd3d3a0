"""From specs to problem families, problems and their grader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from ponder.api.machine import cores
from ponder.problems.registry import parse_many
from ponder.protocols import Family
from ponder.types import PonderError, Problem
from ponder.verifiers.truth import GroundTruth

Specs = str | Family | Sequence[str | Family]


@dataclass(frozen=True)
class Problems(Sequence[Problem]):
    """Problems with the families that they are of, which know how to grade them."""

    drawn: tuple[Problem, ...]
    families: tuple[Family, ...]
    split: str = "test"

    @overload
    def __getitem__(self, index: int) -> Problem: ...

    @overload
    def __getitem__(self, index: slice) -> Problems: ...

    def __getitem__(self, index: int | slice) -> Problem | Problems:
        if isinstance(index, slice):
            return Problems(self.drawn[index], self.families, self.split)
        return self.drawn[index]

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.drawn)

    def __len__(self) -> int:
        return len(self.drawn)


def load_problems(specs: Specs, *, split: str = "test", limit: int = 100, seed: int = 0) -> Problems:
    """`limit` different problems of each family (fewer where a family has no more).

    `specs` is one spec or several ("countdown", "arithmetic?terms=4", "gym:TASK", "jsonl:PATH", "hf:DATASET"), or
    families themselves. `split` is train, validation or test; splits never share a problem. Raises PonderError for a
    spec that names nothing.
    """
    if limit < 1:
        raise PonderError(f"limit={limit}: at least 1 problem is needed")
    families = load_families(specs)
    return Problems(tuple(draw_problems(families, split, limit, seed)), tuple(families), split)


def load_families(specs: Specs) -> list[Family]:
    """The families that the specs name, in order; a family given as an object stands as it is."""
    some = [specs] if isinstance(specs, str) or not isinstance(specs, Sequence) else specs
    return [family for spec in some for family in (parse_many(spec) if isinstance(spec, str) else [spec])]


def spec_names(specs: Specs) -> list[str]:
    """The specs as text, for files: a family given as an object is called by its name."""
    some = [specs] if isinstance(specs, str) or not isinstance(specs, Sequence) else specs
    return [spec if isinstance(spec, str) else spec.name for spec in some]


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
