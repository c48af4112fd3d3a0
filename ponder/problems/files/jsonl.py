"""Problems from a file with one JSON object a line: `jsonl:PATH`, `jsonl:PATH?split=all&verifier=math`.

A row has `id`, `problem` and what to grade against: `answer`, `tests` or `constraints`. All other fields stay with the
key. Which verifier is asked is told by `verifier` in the spec or the row; else `tests` mean code, `constraints` mean
constraints, grids (as in ARC) mean grid, and everything else is mathematics. An answer is text, a number (kept as it is
written) or a list of them; a list of rows is a matrix (see `written`).

Which split a row belongs to is told by `split` in the spec ("all": every row in every split) or the row, else by the
hash of its text. The file is read and checked as a whole before anything is served. A row
whose answer is empty cannot be graded; it is left out, and `skipped` holds its line.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.names import known
from ponder.problems.files.written import answer_text, loads
from ponder.problems.overlap import normalise
from ponder.problems.splits import SPLITS, check_split, split_of
from ponder.types import Key, PonderError, Problem, Question

FORMAT = 'a row is {"id", "problem", "answer" or "tests" or "constraints", ...}'
INSTRUCTIONS = {
    "math": "Think step by step. After your thinking, give the final answer in \\boxed{}.",
    "code": "Think step by step. After your thinking, give the complete Python code in one ```python block.",
    "constraints": "After your thinking, give the response that was asked for and nothing else.",
    "grid": "Think step by step. After your thinking, give the output grid of each test input, one row a line.",
}
# Fields that hold what to grade against, and what they hold if there is nothing.
_TRUTHS = ("answer", "tests", "constraints")
_EMPTY: tuple[Any, ...] = (None, "", [])
# Rows meant as worked examples in a prompt are training material.
_ROW_SPLITS = {**{split: split for split in SPLITS}, "prompt": "train"}


@dataclass(frozen=True)
class Row:
    """One checked line of a file."""

    line: int
    text: str
    split: str
    problem: Problem


class Jsonl:
    """The rows of `path` as a family; `name` is the file's name without its ending."""

    level = 0

    def __init__(
        self,
        path: str | Path,
        *,
        split: str = "",
        verifier: str = "",
        rows: Iterable[tuple[int, dict[str, Any]]] | None = None,
    ) -> None:
        """Reads the whole file; raises PonderError with file and line for the first row that is not as it should be.

        `rows` are what to take instead of the file's own (line, row) pairs, for files of another form.
        """
        if split:
            known("split", split, (*SPLITS, "all"))
        if verifier:
            known("verifier", verifier, INSTRUCTIONS)
        self.path = Path(path)
        self.name = self.path.stem
        found = numbered_rows(self.path) if rows is None else rows
        self.rows, self.skipped = _checked(self.path, found, self.name, split, verifier)
        self._orders: dict[tuple[str, int], list[Row]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, split: str) -> list[Row]:
        """The rows of `split`, in the order of the file."""
        check_split(split)
        return [row for row in self.rows if row.split in (split, "all")]

    def size(self, split: str) -> int:
        """How many different problems `split` has."""
        return len(self.of(split))

    def located(self, split: str) -> list[tuple[str, str]]:
        """(problem text, "file:line") of every row of `split`, for the search for overlaps."""
        return [(row.text, f"{self.path}:{row.line}") for row in self.of(split)]

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        """Row number `index` of the split in an order that `seed` shuffles; after the last one it begins again."""
        rows = self._shuffled(split, seed)
        if not rows:
            counts = ", ".join(f"{name} {self.size(name)}" for name in SPLITS)
            raise PonderError(f"{self.path} has no {split} rows ({counts}); say jsonl:{self.path}?split={split} or all")
        return rows[index % len(rows)].problem

    def _shuffled(self, split: str, seed: int) -> list[Row]:
        if (split, seed) not in self._orders:
            rows = self.of(split)
            random.Random(f"{self.name}/{split}/{seed}").shuffle(rows)
            self._orders[split, seed] = rows
        return self._orders[split, seed]


def _checked(
    path: Path, found: Iterable[tuple[int, dict[str, Any]]], name: str, split: str, verifier: str
) -> tuple[list[Row], tuple[int, ...]]:
    """All rows that can be graded and the lines of those that cannot."""
    rows: list[Row] = []
    skipped: list[int] = []
    ids: dict[str, int] = {}
    texts: dict[str, Row] = {}
    for line, data in found:
        row = _row(data, line, f"{path}, line {line}", name, split, verifier)
        earlier = ids.setdefault(row.problem.id, line)
        if earlier != line:
            raise PonderError(
                f"{path}, line {line}: id {row.problem.id!r} stands in line {earlier} too; ids must differ"
            )
        twin = texts.setdefault(normalise(row.text), row)
        if twin.split != row.split:
            raise PonderError(
                f"{path}, line {line}: this {row.split} problem is a {twin.split} problem in line {twin.line}; "
                "take one of them out"
            )
        if all(data.get(field) in _EMPTY for field in _TRUTHS):
            skipped.append(line)
        else:
            rows.append(row)
    if not rows:
        what = f"none of its {len(skipped)} rows has an answer" if skipped else "it has no rows"
        raise PonderError(f"{path}: {what}; {FORMAT}")
    return rows, tuple(skipped)


def numbered_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line that is not blank."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PonderError(f"cannot read {path}: {error.strerror}; name an existing file") from error
    for line, raw in enumerate(data.split(b"\n"), start=1):
        where = f"{path}, line {line}"
        try:
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
            row = loads(text) if text else None
        except UnicodeDecodeError as error:
            raise PonderError(f"{where}: not UTF-8 text ({error.reason} at byte {error.start} of the line)") from error
        except (ValueError, RecursionError) as error:
            raise PonderError(f"{where}: not JSON ({error}); {FORMAT}") from error
        if text and not isinstance(row, dict):
            raise PonderError(f"{where}: {type(row).__name__} instead of an object; {FORMAT}")
        if isinstance(row, dict):
            yield line, row


def _row(data: dict[str, Any], line: int, where: str, name: str, split: str, verifier: str) -> Row:
    for field, kinds in (("id", (str, int)), ("problem", (str, dict))):
        if field not in data:
            raise PonderError(f"{where}: no {field!r}; {FORMAT}")
        if not isinstance(data[field], kinds) or data[field] in ("", {}):
            raise PonderError(f"{where}: {field!r} is {json.dumps(data[field])[:40]}; {FORMAT}")
    if not any(field in data for field in _TRUTHS):
        raise PonderError(f"{where}: nothing to grade against; {FORMAT}")
    text = data["problem"] if isinstance(data["problem"], str) else _tasks_text(data["problem"], where)
    chosen = verifier or known(f"verifier in {where}:", data.get("verifier") or _verifier(data), INSTRUCTIONS)
    level = data.get("level")
    question = Question(
        id=str(data["id"]),
        family=name,
        text=text,
        instructions=INSTRUCTIONS[chosen],
        level=level if isinstance(level, int) else 0,
    )
    kept = {key: value for key, value in data.items() if key not in ("id", "problem", "answer", "verifier")}
    problem = Problem(question, Key(answer_text(data.get("answer")), {"verifier": chosen, **kept}))
    return Row(line, text, split or _row_split(data, text, where), problem)


def _verifier(data: Mapping[str, Any]) -> str:
    named = [name for field, name in (("tests", "code"), ("constraints", "constraints")) if data.get(field)]
    return named[0] if named else "grid" if isinstance(data["problem"], dict) else "math"


def _row_split(data: Mapping[str, Any], text: str, where: str) -> str:
    if "split" not in data:
        return split_of(normalise(text))
    return _ROW_SPLITS[known(f"split in {where}:", str(data["split"]), _ROW_SPLITS)]


def _is_grid(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)


def _grid_text(grid: list[list[int]]) -> str:
    return "\n".join(" ".join(map(str, row)) for row in grid)


def _tasks_text(problem: Mapping[str, Any], where: str) -> str:
    """`{"train": [{"input", "output"}], "test": [grid]}` as examples followed by what is asked."""
    shown, asked = problem.get("train"), problem.get("test")
    pairs = isinstance(shown, list) and all(isinstance(p, dict) and {"input", "output"} <= set(p) for p in shown)
    if not pairs or not isinstance(asked, list) or not asked or not all(map(_is_grid, asked)):
        raise PonderError(
            f'{where}: a problem is text or {{"train": [{{"input": grid, "output": grid}}], "test": [grid]}}'
        )
    examples = [f"Input:\n{_grid_text(p['input'])}\nOutput:\n{_grid_text(p['output'])}" for p in problem["train"]]
    return "\n\n".join([*examples, *(f"Input:\n{_grid_text(grid)}\nOutput:" for grid in asked)])
