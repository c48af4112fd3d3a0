"""Rows of a file of samples, checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.problems.files.written import answer_text, loads
from ponder.types import PonderError
from ponder.verifiers.aggregation import Aggregation, aggregate

FORMAT = 'a row is {"problem", "answer", "responses": [text, ...], "scores": one a response (optional)}'


@dataclass(frozen=True, slots=True)
class Row:
    """One problem of the file; `where` names it in messages."""

    id: str
    where: str
    text: str
    answer: str | None
    responses: tuple[str, ...]
    scores: tuple[float, ...] | None
    verifier: str


def read(file: Path, aggregation: Aggregation = "last") -> list[Row]:
    """All rows, checked. Raises PonderError with file and line."""
    try:
        # Only line feeds end a row: JSON text may hold U+2028 and its like as they are.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise PonderError(f"cannot read {file}: {error.strerror}; name an existing file") from error
    except UnicodeDecodeError as error:
        raise PonderError(f"{file} is not UTF-8 text ({error.reason} at byte {error.start})") from error
    rows = list(_rows(file, lines, aggregation))
    if not rows:
        raise PonderError(f"{file} has no rows; {FORMAT}")
    return rows


def _rows(file: Path, lines: Sequence[str], aggregation: Aggregation) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{file}, line {number}"
            try:
                data = loads(line)
            except (ValueError, RecursionError) as error:
                raise PonderError(f"{where}: not JSON ({error}); {FORMAT}") from error
            if not isinstance(data, dict):
                raise PonderError(f"{where}: {type(data).__name__} instead of an object; {FORMAT}")
            yield _row(data, where, number, aggregation)


def _row(data: dict[str, Any], where: str, number: int, aggregation: Aggregation) -> Row:
    missing = [name for name in ("problem", "answer", "responses") if name not in data]
    if missing:
        raise PonderError(f"{where}: no {' and no '.join(map(repr, missing))}; {FORMAT}")
    responses, scores, answer = data["responses"], data.get("scores"), data["answer"]
    if not isinstance(responses, list) or not responses or not all(isinstance(r, str) for r in responses):
        raise PonderError(f"{where}: responses must be a list of at least one text; {FORMAT}")
    if scores is not None and (not isinstance(scores, list) or len(scores) != len(responses)):
        got = len(scores) if isinstance(scores, list) else type(scores).__name__
        raise PonderError(f"{where}: scores must be a list as long as responses ({len(responses)}), got {got}")
    if isinstance(answer, bool | dict):
        raise PonderError(
            f"{where}: answer is {type(answer).__name__}; allowed are text, numbers, lists of them and null"
        )
    return Row(
        id=str(data.get("id", number)),
        where=where,
        text=str(data["problem"]),
        answer=answer_text(answer),
        responses=tuple(responses),
        scores=None if scores is None else tuple(_score(s, where, aggregation) for s in scores),
        verifier=str(data.get("verifier") or "math"),
    )


def _score(value: Any, where: str, aggregation: Aggregation) -> float:
    """A score, or the aggregate of step scores."""
    steps = value if isinstance(value, list) else [value]
    numbers = [float(s) for s in steps if isinstance(s, int | float) and not isinstance(s, bool) and math.isfinite(s)]
    if not steps or len(numbers) < len(steps):
        raise PonderError(f"{where}: {value!r} is no score; a score is a finite number or a list of them, one a step")
    outside = [number for number in numbers if not 0 <= number <= 1]
    if outside:
        raise PonderError(
            f"{where}: score {outside[0]:g} is outside 0 to 1, where votes weigh and step scores multiply; "
            "map your scores into it (a logistic function keeps their order)"
        )
    return numbers[0] if not isinstance(value, list) else aggregate(numbers, aggregation)
