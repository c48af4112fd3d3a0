"""All benchmarks by name, and their problems read from a file or from the hub."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ponder.catalogue import Entry
from ponder.names import pick
from ponder.problems.files.jsonl import Jsonl, numbered_rows
from ponder.problems.suites.mathematics import AIME, GPQA, GSM8K, MATH500
from ponder.problems.suites.others import HUMANEVAL, IFEVAL, MBPP
from ponder.problems.suites.suite import Suite, Unreadable
from ponder.types import PonderError, Problem

SUITES: dict[str, Suite] = {s.name: s for s in (MATH500, GSM8K, AIME, GPQA, HUMANEVAL, MBPP, IFEVAL)}
PROCESSBENCH = "processbench"  # no problems to answer but steps to judge; see api/evaluating/first_errors.py
NAMES = (*SUITES, PROCESSBENCH)


def suite(name: str) -> Suite:
    """The benchmark `name`. Raises PonderError with the nearest name."""
    return pick("suite", name, SUITES)


class Published(Jsonl):
    """The problems of a benchmark as a family; every problem belongs to the test split and to no other."""

    def __init__(self, suite: Suite, path: Path) -> None:
        """Reads the whole file, JSON Lines or CSV. Raises PonderError with file and line for a row it cannot read."""
        rows = numbered_rows(path) if path.suffix.lower() != ".csv" else _csv(path)
        super().__init__(path, split="test", verifier=suite.verifier, rows=_converted(suite, path, rows))
        self.suite, self.name = suite, suite.name
        self.rows = [replace(row, problem=_asked(suite, row.problem)) for row in self.rows]


def problems(suite: Suite, path: Path, limit: int | None = None) -> list[Problem]:
    """The first `limit` problems of a file (all of them unless given), in its order."""
    rows = Published(suite, path).rows
    return [row.problem for row in (rows if limit is None else rows[:limit])]


def fetched(suite: Suite, folder: Path) -> Path:
    """The benchmark's rows from the hub, kept as a file in `folder`; a file that is there is not fetched again."""
    path = folder / f"{suite.name}.jsonl"
    if path.is_file():
        return path
    if importlib.util.find_spec("datasets") is None:
        raise PonderError(
            f"suite {suite.name}: name its file (--file), or install the package datasets to fetch {suite.hub} "
            "from the hub: pip install -e '.[hub]'"
        )
    try:
        rows: Any = importlib.import_module("datasets").load_dataset(suite.hub, suite.config or None)[suite.part]
    except Exception as error:  # whatever the library raises: no network, a gated data set, another name of a part
        raise PonderError(f"suite {suite.name}: cannot load {suite.hub} ({error}); name its file (--file)") from error
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(f"{json.dumps(dict(row), default=str)}\n" for row in rows), encoding="utf-8")
    partial.replace(path)
    return path


def catalogue() -> list[Entry]:
    """Every benchmark with where it is from; what can be set is what is usually drawn."""
    return [
        Entry(
            s.name,
            f"{s.samples} answer{'s' if s.samples > 1 else ''} at temperature {s.temperature:g}; hub: {s.hub}.",
            s.source,
        )
        for s in SUITES.values()
    ] + [
        Entry(
            PROCESSBENCH, "A verifier's first-error F1 on steps that people marked.", "arXiv 2412.06559", ("verifier",)
        )
    ]


def _converted(
    suite: Suite, path: Path, rows: Iterable[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for count, (line, row) in enumerate(rows, start=1):
        try:
            yield line, suite.convert(row, count)
        except Unreadable as error:
            raise PonderError(f"{path}, line {line}: no row of {suite.name} ({error})") from None


def _csv(path: Path) -> list[tuple[int, dict[str, Any]]]:
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(enumerate(csv.DictReader(file), start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PonderError(f"cannot read {path}: {error}") from error


def _asked(suite: Suite, problem: Problem) -> Problem:
    question = replace(problem.question, family=suite.name, instructions=suite.instructions)
    return replace(problem, question=question)
