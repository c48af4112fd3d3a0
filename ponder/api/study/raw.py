"""What every number of a summary was computed from, so that somebody else can compute it again: `RUN/raw/*.jsonl`.

`tries.jsonl`: one problem under one arm and suite a line; `tries` are 1 for right, 0 for wrong. `pool-base.jsonl` and
`pool-final.jsonl`: one problem of a thinking-time pool, its samples with answer, outcome, score and tokens.
`runs.jsonl`: one problem under one strategy and budget, with outcomes and what was spent.

What could not be graded is in no list. `tests/evaluation/test_second_opinion.py` recomputes the summary from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ponder.api.training.summary import Measured
from ponder.evaluation.suite import Scores
from ponder.runlog import files
from ponder.selfplay.measure import Thinking

FOLDER = "raw"
Row = dict[str, Any]


def write(run: Path, measured: Measured) -> None:
    """All raw outcomes of the measuring stage."""
    arms: dict[str, Mapping[str, Scores | None]] = {
        "base": measured.base,
        "final": measured.final,
        "control": {"main": measured.control},
        "rejection": {"main": measured.rejection},
    }
    thought = {"base": measured.thinking_base, "final": measured.thinking}
    _lines(run, "tries", (row for arm, suites in arms.items() for row in _tries(arm, suites)))
    for policy, thinking in thought.items():
        _lines(run, f"pool-{policy}", _pool(thinking))
    _lines(run, "runs", (row for policy, thinking in thought.items() for row in _runs(policy, thinking)))


def _tries(arm: str, suites: Mapping[str, Scores | None]) -> Iterator[Row]:
    for name, scores in suites.items():
        if scores is None:
            continue
        for problem, tries in zip(scores.suite.problems, scores.tries_P, strict=True):
            yield {
                "arm": arm,
                "suite": name,
                "temperature": scores.temperature,
                "id": problem.id,
                "family": problem.family,
                "level": problem.level,
                "tries": list(tries),
            }


def _pool(thinking: Thinking) -> Iterator[Row]:
    for entry in thinking.pool.entries:
        samples = [
            {
                "answer": draw.answer,
                "outcome": draw.outcome,
                "score": None if draw.verdict is None else draw.verdict.score,
                "tokens": len(draw.trajectory),
            }
            for draw in entry.draws
        ]
        yield {"id": entry.problem.id, "family": entry.problem.family, "samples": samples}


def _runs(policy: str, thinking: Thinking) -> Iterator[Row]:
    for strategy, some in thinking.runs.items():
        for runs in some:
            for problem in runs.problems:
                yield {
                    "policy": policy,
                    "strategy": strategy,
                    "budget": runs.budget,
                    "id": problem.id,
                    "family": problem.family,
                    "outcomes": list(problem.outcomes),
                    "spent": [usage.spent for usage in problem.usages],
                }


def _lines(run: Path, name: str, rows: Iterable[Row]) -> None:
    """A whole file at once: it is there with all its lines or not at all."""
    files.write_text(run / FOLDER / f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
