"""`ponder grade`: a file of predictions in, a file of verdicts out, row for row.

Rows are `{"id", "prediction", "answer" | "tests" | "constraints", "verifier"?}`; results, in the same order,
`{"id", "outcome", "failure", "extracted", "detail"}`, where `outcome` is null exactly when `failure` is set.

The shape of the whole file is checked before anything is graded or written: not JSON, not an object, a field missing
or of a wrong type is an error that names file and line. What only makes one row ungradable is a failure of that row:
an answer of null, an answer that cannot be read, tests or constraints that cannot be checked ("gold") or an unknown
verifier ("unsupported"). A prediction of null is wrong. Results stream through a file beside the target, which takes
its name at the end; an interrupted run leaves what is done under that name and says how many rows that are.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ponder.problems.files.written import answer_text, loads
from ponder.types import Key, PonderError, Problem, Question
from ponder.verifiers.rules.code.isolation import require
from ponder.verifiers.truth import GroundTruth

CHUNK = 256
TASKS = ("answer", "tests", "constraints")
# What may stand beside `tests` (with `problem`, the prompt that a prediction may complete).
TEST_FIELDS = ("entry_point", "test_setup", "challenge_tests")
FORMAT = 'a row is {"id", "prediction", "answer" or "tests" or "constraints", "verifier" (optional)}'
# How many rows are done, of how many.
Progress = Callable[[int, int], None]


@dataclass
class GradeSummary:
    """Counts over the rows graded; `accuracy` is over rows with an outcome, None if there are none."""

    rows: int = 0
    right: int = 0
    wrong: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def accuracy(self) -> float | None:
        judged = self.right + self.wrong
        return self.right / judged if judged else None


def grade_file(
    path_in: str | Path,
    path_out: str | Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    allow_unsafe_code: bool = False,
) -> GradeSummary:
    """Grade every row of `path_in` into `path_out`, on all cores unless `workers` says otherwise.

    Rows with `tests` need a machine that can isolate code, or `allow_unsafe_code`.
    """
    source, target = Path(path_in), Path(path_out)
    total = _check(source, target, allow_unsafe_code)
    partial = target.with_name(target.name + ".partial")
    summary = GradeSummary()
    try:
        with partial.open("w", encoding="utf-8") as out, _truth(workers, allow_unsafe_code) as truth:
            try:
                for result in _results(source, truth, summary):
                    out.write(json.dumps(result, ensure_ascii=True) + "\n")
                    if progress is not None:
                        progress(summary.rows, total)
            except KeyboardInterrupt as stop:
                out.flush()
                partial.replace(target)
                raise KeyboardInterrupt(f"stopped after {summary.rows} of {total} rows; {target} holds them") from stop
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PonderError(f"cannot write {target}: {error.strerror}; free some space or name another file") from error
    return summary


def _truth(workers: int | None, allow_unsafe_code: bool) -> GroundTruth:
    return GroundTruth(workers=workers or _cores(), allow_unsafe_code=allow_unsafe_code)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(source: Path, target: Path, allow_unsafe_code: bool) -> int:
    """Read the whole file once, keeping nothing. Returns the number of rows."""
    if source.resolve() == target.resolve():
        raise PonderError(f"{target} is the file to be graded; write the results to another one")
    if not target.resolve().parent.is_dir():
        raise PonderError(f"cannot write {target}: its folder does not exist; make it first")
    with_tests = Counter("tests" in row for row in _rows(source))
    if with_tests[True]:
        require(allow_unsafe_code)
    total = with_tests.total()
    if total == 0:
        raise PonderError(f"{source} has no rows; {FORMAT}")
    return total


def _rows(source: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, each checked; blank lines are skipped."""
    try:
        with source.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, f"{source}, line {number}")
    except OSError as error:
        raise PonderError(f"cannot read {source}: {error.strerror}; name an existing file") from error
    except UnicodeDecodeError as error:
        raise PonderError(f"{source} is not UTF-8 text ({error.reason} at byte {error.start})") from error


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = loads(line)
    except (ValueError, RecursionError) as error:
        raise PonderError(f"{where}: not JSON ({error}); {FORMAT}") from error
    if not isinstance(row, dict):
        raise PonderError(f"{where}: {type(row).__name__} instead of an object; {FORMAT}")
    missing = [name for name in ("id", "prediction") if name not in row]
    if missing:
        raise PonderError(f"{where}: no {' and no '.join(repr(name) for name in missing)}; {FORMAT}")
    # Beside tests or constraints, `answer` is the task's own answer, as in the data sets.
    given = [name for name in TASKS if name in row]
    if not given or {"tests", "constraints"} <= set(given):
        raise PonderError(f"{where}: exactly one of {', '.join(TASKS)} says what to grade against; {FORMAT}")
    if not isinstance(row["prediction"], str | None):
        raise PonderError(f"{where}: prediction is {type(row['prediction']).__name__}; allowed are text and null")
    return row


def _results(source: Path, truth: GroundTruth, summary: GradeSummary) -> Iterator[dict[str, Any]]:
    """Grade chunk by chunk, so that memory does not grow with the file."""
    rows = _rows(source)
    while chunk := list(islice(rows, CHUNK)):
        verdicts = truth.stream([_problem(row) for row in chunk], [row["prediction"] or "" for row in chunk])
        for row, verdict in zip(chunk, verdicts, strict=True):
            summary.rows += 1
            summary.right += verdict.outcome == 1.0
            summary.wrong += verdict.outcome == 0.0
            summary.failures.update([verdict.failure] if verdict.failure else [])
            yield {
                "id": row["id"],
                "outcome": verdict.outcome,
                "failure": verdict.failure,
                "extracted": verdict.extracted,
                "detail": verdict.detail,
            }


def _problem(row: dict[str, Any]) -> Problem:
    """A row as a problem. Numbers are taken as written, a list is one; objects and truth values have no verifier."""
    answer, verifier = row.get("answer"), row.get("verifier")
    if isinstance(answer, int | float | list) and not isinstance(answer, bool):
        answer = answer_text(answer)
    if verifier is None:
        verifier = "code" if "tests" in row else "constraints" if "constraints" in row else "math"
    if not isinstance(answer, str | None):
        answer, verifier = None, verifier if verifier != "math" else f"{type(answer).__name__} answer"
    tests = {name: row[name] for name in (*TASKS[1:], *TEST_FIELDS) if name in row}
    text = row.get("problem")
    return Problem(
        Question(str(row["id"]), "file", text if isinstance(text, str) else ""),
        Key(answer, {"verifier": verifier, **tests}),
    )
