"""What an evaluation found, for a script: rows, a pandas frame, single samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ponder.evaluation.pools.pool import Pool
from ponder.names import install
from ponder.types import PonderError

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Accuracy:
    """A strategy at a budget. `accuracy`, `low` and `high` (95 % over problems) are None if nothing could be graded.

    `family` "all": all families together. `spent` are token-equivalents a problem; `seconds` None: replayed on samples
    that were drawn once.
    """

    strategy: str
    budget: float
    family: str
    accuracy: float | None
    low: float | None
    high: float | None
    n: int
    spent: float | None
    seconds: float | None


@dataclass(frozen=True)
class Evaluation:
    """`metrics` is what metrics.json holds; `pool` the samples that were drawn once (None: everything was run live)."""

    metrics: dict[str, Any]
    pool: Pool | None = None

    @property
    def accuracies(self) -> list[Accuracy]:
        """A row for each strategy and budget, over all families and for each of them."""
        return [row for result in self.metrics["results"] for row in _rows(result)]

    def accuracy(self, strategy: str, budget: float, family: str = "all") -> float | None:
        """The accuracy of one strategy at one budget. Raises PonderError if it was not measured."""
        for row in self.accuracies:
            if (row.strategy, row.budget, row.family) == (strategy, budget, family):
                return row.accuracy
        known = ", ".join(f"{row.strategy} {row.budget:g}" for row in self.accuracies if row.family == "all")
        raise PonderError(f"{strategy} at {budget:g} was not measured; measured were {known}")

    def samples(self) -> Iterator[dict[str, Any]]:
        """Every sample that was drawn: problem, family, level, question, response, answer, outcome, score, tokens."""
        for entry in () if self.pool is None else self.pool.entries:
            question = entry.problem.question
            for draw in entry.draws:
                yield {
                    "problem": question.id,
                    "family": question.family,
                    "level": question.level,
                    "question": question.text,
                    "response": draw.trajectory.text,
                    "answer": draw.answer,
                    "outcome": draw.outcome,
                    "score": None if draw.verdict is None else draw.verdict.score,
                    "tokens": len(draw.trajectory),
                }

    def frame(self) -> DataFrame:
        """`accuracies` as a pandas frame; pandas is the extra `pandas`."""
        return _pandas().DataFrame(self.accuracies)

    def sample_frame(self) -> DataFrame:
        """`samples` as a pandas frame."""
        return _pandas().DataFrame(list(self.samples()))


def _rows(result: dict[str, Any]) -> Iterator[Accuracy]:
    found = {"all": result["accuracy"], **result["by_family"]}
    for family, interval in found.items():
        known = interval or {"y": None, "low": None, "high": None, "n": 0}
        yield Accuracy(
            result["strategy"],
            float(result["budget"]),
            family,
            known["y"],
            known["low"],
            known["high"],
            known["n"],
            result["spent"] if family == "all" else None,
            result["seconds"] if family == "all" else None,
        )


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise PonderError(f"pandas is not installed; {install('pandas')}") from None
    return pandas
